// `npm run mutate`: sets up what is missing, and runs test/mutation/main.ts, which says what it does and takes.
import './setup.mjs';
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const main = ['--import', 'tsx', join(root, 'test/mutation/main.ts')];
const child = spawn(process.execPath, main.concat(process.argv.slice(2)), { cwd: root, stdio: 'inherit' });
// It ends its children, and then itself.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => process.exit(code ?? 1));
