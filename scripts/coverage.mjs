// `npm run coverage`: runs the tests, and says how much of src they reach; coverage/lcov.info has it line by line. Words after `--`
// choose the files, as for `npm test`.
import './setup.mjs';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const options = ['--include=src', '--reporter=text-summary', '--reporter=lcovonly'];
// Every process of every test leaves megabytes: they are merged one by one.
const c8 = [fileURLToPath(import.meta.resolve('c8/bin/c8.js')), '--merge-async'].concat(options);
const tests = [process.execPath, join(root, 'scripts/test.mjs')].concat(process.argv.slice(2));
// What is counted is slow, and more seeds reach no more lines.
const env = Object.assign({ SIMULATOR_SEEDS: '1..50' }, process.env);

const child = spawn(process.execPath, c8.concat(tests), { cwd: root, stdio: 'inherit', env });
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
