// `npm test`: sets up what is missing, the servers and the browser that tests need among it, and runs them. Words after `--` choose
// the files whose path contains one of them.
import './setup.mjs';
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const words = process.argv.slice(2);

function onPath(name) {
  return (process.env.PATH ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Tests in a browser need one: from PATH, else from the distribution, else the person is told what to type. */
function ensure(program, debianPackage) {
  if (onPath(program)) return;
  const command = `apt-get update && apt-get install -y --no-install-recommends ${debianPackage}`;
  if (process.getuid?.() === 0 && onPath('apt-get')) {
    process.stderr.write(`  installing ${debianPackage} …\n`);
    const result = spawnSync('sh', ['-c', command], {
      encoding: 'utf8',
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
    if (result.status === 0 && onPath(program)) return;
    process.stderr.write(`${result.stdout}${result.stderr}`);
  }
  process.stderr.write(`✘ ${program} is needed by the tests and is not on PATH. Type: sudo sh -c '${command}'\n`);
  process.exit(1);
}

const hasBrowserTests = readdirSync(join(root, 'test'), { recursive: true }).some((name) =>
  /browser.*\.test\.ts$/.test(String(name)),
);
const wanted = (path) => words.length === 0 || words.some((word) => path.includes(word));
if (hasBrowserTests && wanted('test/browser')) ensure('chromium', 'chromium');

const result = spawnSync(process.execPath, ['--import', 'tsx', join(root, 'test/run.ts'), ...words], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(result.status ?? 1);
