// Runs the test files, each in a process of its own, two at a time: a file that hangs, leaks or crashes cannot touch another.
//
//   - A file that registers no test fails.
//   - A file has 60 s, or what a line `// watchdog: 180s` in it says; then it is told to name what keeps it open, and is killed.
//   - The last line is `N passed, N failed`: single tests, summed over files. A file that crashed or hung counts as failed itself.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const words = process.argv.slice(2);
const AT_ONCE = 2;
const WATCHDOG_SECONDS = 60;
/** Between the question what is open, and the end. */
const LAST_WORDS_MS = 2_000;

interface Result {
  readonly file: string;
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
  readonly output: string;
}

function discover(): string[] {
  const files = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join('test', name))
    .filter((file) => words.length === 0 || words.some((word) => file.includes(word)));
  // The long ones first, so that none is left alone at the end.
  return files.sort((a, b) => watchdogOf(b) - watchdogOf(a) || (a < b ? -1 : 1));
}

function watchdogOf(file: string): number {
  const stated = /^\/\/ watchdog: (\d+)s$/m.exec(readFileSync(join(root, file), 'utf8'))?.[1];
  return stated === undefined ? WATCHDOG_SECONDS : Number(stated);
}

function runFile(file: string): Promise<Result> {
  const began = Date.now();
  const child = spawn(
    process.execPath,
    ['--enable-source-maps', '--import', 'tsx', '--import', join(root, 'test/support/open-handles.ts'), file],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, FORCE_COLOR: '0' },
    },
  );
  let output = '';
  let hung = false;
  const collect = (chunk: Buffer) => {
    output += chunk.toString('utf8');
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const limit = watchdogOf(file);
  const watchdog = setTimeout(() => {
    hung = true;
    child.kill('SIGUSR2');
    setTimeout(() => child.kill('SIGKILL'), LAST_WORDS_MS);
  }, limit * 1000);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(watchdog);
      const { total, passed } = counted(output);
      const problem = hung
        ? `it did not end within ${limit} s`
        : signal !== null
          ? `it was killed by ${signal}`
          : total === 0
            ? 'it registers no test'
            : code !== 0 && passed === total
              ? `all tests passed, but the process ended with exit code ${code}`
              : null;
      const failed = total - passed + (problem === null ? 0 : 1);
      resolve({
        file,
        passed,
        failed,
        seconds: (Date.now() - began) / 1000,
        output: problem === null ? output : `${output}\n${problem}`,
      });
    });
  });
}

/** What uvu says at the end of each suite's process. */
function counted(output: string): { total: number; passed: number } {
  const numbers = (label: string) =>
    [...output.matchAll(new RegExp(`^ {2}${label}:\\s+(\\d+)$`, 'gm'))].reduce(
      (sum, match) => sum + Number(match[1]),
      0,
    );
  return { total: numbers('Total') - numbers('Skipped'), passed: numbers('Passed') };
}

const files = discover();
const results: Result[] = [];
const queue = [...files];
async function work(): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const result = await runFile(file);
    results.push(result);
    const mark = result.failed === 0 ? '✔' : '✘';
    process.stdout.write(
      `${mark} ${relative('test', file).padEnd(44)} ${String(result.passed).padStart(4)} passed${result.failed === 0 ? '' : `, ${result.failed} failed`}  ${result.seconds.toFixed(1)} s\n`,
    );
    // Seeds and rates that a test prints are worth seeing, too.
    for (const line of result.output.split('\n')) if (/^(seed|# )/.test(line)) process.stdout.write(`    ${line}\n`);
    if (result.failed > 0) process.stdout.write(`${result.output}\n`);
  }
}
await Promise.all(Array.from({ length: AT_ONCE }, work));

const passed = results.reduce((sum, result) => sum + result.passed, 0);
const failed = results.reduce((sum, result) => sum + result.failed, 0) + (files.length === 0 ? 1 : 0);
if (files.length === 0) process.stdout.write(`no test file matches ${words.join(' ')}\n`);
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
