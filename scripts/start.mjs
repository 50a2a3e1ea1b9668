// `npm start`: sets up what is missing, then runs `vedette up` with whatever was given after `--`.
import './setup.mjs';

process.argv.splice(2, 0, 'up');
await import('../bin/vedette.mjs');
