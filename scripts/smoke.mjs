// A short run on other versions of Node: `npm run smoke -- 22 24 26`.
import { spawnSync } from 'node:child_process';

const versions = process.argv.slice(2);
let failed = false;
for (const version of versions.length > 0 ? versions : ['20', '22', '24', '26']) {
  const run = (...args) => spawnSync('npx', ['--yes', '-p', `node@${version}`, 'node', ...args], { encoding: 'utf8' });
  const steps = [
    ['--version'],
    ['bin/vedette.mjs', '--version'],
    ['--import', 'tsx', 'test/unit/log-store.test.ts'],
    ['--import', 'tsx', 'test/unit/run-machine.test.ts'],
    ['--import', 'tsx', 'test/sim/brokers.test.ts'],
  ];
  for (const step of steps) {
    const result = run(...step);
    const good = result.status === 0;
    failed ||= !good;
    process.stdout.write(
      `${good ? '✔' : '✘'} node ${version}: ${step.join(' ')} ${step[0] === '--version' ? result.stdout.trim() : ''}\n`,
    );
    if (!good) process.stdout.write(`${result.stdout}${result.stderr}\n`);
  }
}
process.exit(failed ? 1 : 0);
