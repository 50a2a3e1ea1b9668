// `npm test`: sets up what is missing, the servers and the browser that tests need among it, and runs them. Words after `--` choose
// the files whose path contains one of them. In syntax that old versions of Node can read.
//
// A test file says what it needs from outside in a line of its own: `// needs: chromium redis-server`.
import './setup.mjs';
import { spawn, spawnSync } from 'child_process';
import { accessSync, constants, readdirSync, readFileSync } from 'fs';
import { delimiter, dirname, join } from 'path';
import { fileURLToPath } from 'url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const words = process.argv.slice(2);

/** What it is called where, the Debian package that brings it, and the variable that tells tests where it is. */
const NEEDS = {
  chromium: {
    programs: ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'],
    debian: 'chromium',
    variable: 'VEDETTE_CHROMIUM',
  },
  'redis-server': { programs: ['redis-server'], debian: 'redis-server', variable: 'VEDETTE_REDIS_SERVER' },
};

function findOnPath(programs) {
  for (const directory of (process.env.PATH || '').split(delimiter)) {
    for (const program of programs) {
      try {
        accessSync(join(directory, program), constants.X_OK);
        return join(directory, program);
      } catch {
        // Not here.
      }
    }
  }
  return undefined;
}

/** From PATH, else from the distribution, else the person is told what to type. */
function ensure(name) {
  const need = NEEDS[name];
  if (need === undefined) {
    process.stderr.write('✘ a test needs ' + name + ', which scripts/test.mjs does not know\n');
    process.exit(1);
  }
  if (process.env[need.variable]) return;
  if (findOnPath(need.programs) === undefined) installPackage(name, need.debian);
  process.env[need.variable] = findOnPath(need.programs);
}

function installPackage(name, debian) {
  const command = 'apt-get update && apt-get install -y --no-install-recommends ' + debian;
  if (process.getuid && process.getuid() === 0 && findOnPath(['apt-get']) !== undefined) {
    process.stderr.write('  installing ' + debian + ' …\n');
    const env = Object.assign({}, process.env, { DEBIAN_FRONTEND: 'noninteractive' });
    const result = spawnSync('sh', ['-c', command], { encoding: 'utf8', env, maxBuffer: 64 * 1024 * 1024 });
    if (result.status === 0 && findOnPath(NEEDS[name].programs) !== undefined) return;
    process.stderr.write(result.stdout + result.stderr);
  }
  process.stderr.write('✘ The tests need ' + name + ', and it is not on PATH. Type:\n');
  process.stderr.write("  sudo sh -c '" + command + "'\n");
  process.exit(1);
}

function chosenFiles() {
  return readdirSync(join(root, 'test'), { recursive: true })
    .map((name) => join('test', String(name)))
    .filter((file) => file.endsWith('.test.ts') && (words.length === 0 || words.some((word) => file.includes(word))));
}

for (const file of chosenFiles()) {
  const needs = /^\/\/ needs: (.+)$/m.exec(readFileSync(join(root, file), 'utf8'));
  if (needs !== null) needs[1].trim().split(/\s+/).forEach(ensure);
}

const runner = spawn(process.execPath, ['--import', 'tsx', join(root, 'test/run.ts')].concat(words), {
  cwd: root,
  stdio: ['ignore', 'inherit', 'inherit'],
});
// The runner ends its children, and then itself.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => runner.kill(signal));
runner.on('exit', (code) => process.exit(code === null ? 1 : code));
