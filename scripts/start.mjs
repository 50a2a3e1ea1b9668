// `npm start`: sets up what is missing, then runs `vedette up` with whatever was given after `--`. In syntax that old versions of Node
// can read, so that the set-up can tell them what is wrong.
import './setup.mjs';

process.argv.splice(2, 0, 'up');
void import('../bin/vedette.mjs');
