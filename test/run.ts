// Runs the test files, each in a process of its own, two at a time: a file that hangs, leaks or crashes cannot touch another.
//
//   - A file that registers no test fails; so does one that skips tests, or runs only some of its own.
//   - A file has 60 s, or what a line `// watchdog: 180s` in it says; then it is told to name what keeps it open, and is killed,
//     with everything that it has started.
//   - The last line is `N passed, N failed`: single tests, summed over files. A file that crashed or hung counts as failed itself.
//
// Words choose the files whose path contains one of them. `--in=DIR` takes the files from DIR instead of test/.
import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const words = process.argv.slice(2).filter((word) => !word.startsWith('--in='));
const directory = resolve(
  process.argv.find((word) => word.startsWith('--in='))?.slice('--in='.length) ?? join(root, 'test'),
);
const AT_ONCE = 2;
const WATCHDOG_SECONDS = 60;
/** Where coverage is counted all takes longer. */
const PATIENCE = process.env['NODE_V8_COVERAGE'] === undefined ? 1 : 3;
/** Between the question what is open, and the end. */
const LAST_WORDS_MS = 1_000;
/** A process that has ended may leave children which hold its output open: they are not waited for. */
const OUTPUT_GRACE_MS = 1_000;

interface Result {
  readonly passed: number;
  readonly failed: number;
  readonly seconds: number;
  readonly output: string;
}

interface End {
  readonly output: string;
  readonly code: number | null;
  readonly signal: string | null;
  /** The watchdog ended it. */
  readonly hung: boolean;
}

const running = new Set<ChildProcess>();

function discover(): string[] {
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => join(directory, name))
    .filter((file) => words.length === 0 || words.some((word) => relative(root, file).includes(word)));
  // The long ones first, so that none is left alone at the end.
  return files.sort((a, b) => watchdogOf(b) - watchdogOf(a) || (a < b ? -1 : 1));
}

function watchdogOf(file: string): number {
  const stated = /^\/\/ watchdog: (\d+)s$/m.exec(readFileSync(file, 'utf8'))?.[1];
  return PATIENCE * (stated === undefined ? WATCHDOG_SECONDS : Number(stated));
}

/** What the text alone tells: suites that never run, tests that are left out. Null when nothing is wrong. */
function guard(file: string): string | null {
  const text = readFileSync(file, 'utf8').replace(/^\s*\/\/.*$/gm, '');
  const suites = [...text.matchAll(/^(?:const|let) (\w+) = suite(?:<[^(]*>)?\(/gm)].map((match) => match[1] ?? '');
  const names = /import \{[^}]*\btest\b[^}]*\} from 'uvu'/.test(text) ? [...suites, 'test'] : suites;
  const idle = names.filter((name) => !new RegExp(`\\b${name}\\.run\\(`).test(text));
  if (idle.length > 0) return `${idle.join(', ')} never runs: end the file with ${idle[0]}.run()`;
  const partial = names.find((name) => new RegExp(`\\b${name}\\.(?:only|skip)\\(`).test(text));
  return partial === undefined ? null : `some of its tests are left out by .only() or .skip()`;
}

/** To everything in the file's process group: what it started dies with it. */
function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // Nothing is left of it.
  }
}

function runProcess(file: string): Promise<End> {
  const openHandles = join(root, 'test/support/open-handles.ts');
  const child = spawn(process.execPath, ['--enable-source-maps', '--import', 'tsx', '--import', openHandles, file], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, FORCE_COLOR: '0' },
    detached: true,
  });
  running.add(child);
  let output = '';
  let hung = false;
  const collect = (chunk: Buffer) => {
    output += chunk.toString('utf8');
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const watchdog = setTimeout(() => {
    hung = true;
    child.kill('SIGUSR2');
    setTimeout(() => signalGroup(child, 'SIGKILL'), LAST_WORDS_MS);
  }, watchdogOf(file) * 1000);
  return new Promise((resolve) => {
    const end = (code: number | null, signal: string | null) => {
      running.delete(child);
      resolve({ output, code, signal, hung });
    };
    child.on('error', (error) => {
      output += error.message;
      end(null, null);
    });
    child.on('exit', (code, signal) => {
      clearTimeout(watchdog);
      signalGroup(child, 'SIGKILL');
      const grace = setTimeout(() => end(code, signal), OUTPUT_GRACE_MS);
      child.on('close', () => {
        clearTimeout(grace);
        end(code, signal);
      });
    });
  });
}

async function runFile(file: string): Promise<Result> {
  const began = Date.now();
  const warning = guard(file);
  const end: End = warning === null ? await runProcess(file) : { output: '', code: null, signal: null, hung: false };
  const { total, passed } = counted(end.output);
  const problem = warning ?? problemOf(end, total, passed, watchdogOf(file));
  return {
    passed,
    failed: total - passed + (problem === null ? 0 : 1),
    seconds: (Date.now() - began) / 1000,
    output: problem === null ? end.output : `${end.output}\n${problem}`,
  };
}

/** What is wrong beside single tests that failed. */
function problemOf(end: End, total: number, passed: number, limit: number): string | null {
  if (end.hung) {
    const done = total === 0 ? '' : ', although its tests had come to their end';
    const deaf = end.output.includes('still open: ')
      ? ''
      : '; it did not even say what is open: a loop that never yields';
    return `it did not end within ${limit} s${done}${deaf}`;
  }
  if (end.signal !== null) return `it was killed by ${end.signal}`;
  if (total === 0)
    return end.code === 0 ? 'it registers no test' : `it ended with exit code ${end.code} before its tests`;
  if (end.code !== 0 && passed === total) return `all tests passed, but the process ended with exit code ${end.code}`;
  return null;
}

/** What uvu says at the end of a process. */
function counted(output: string): { total: number; passed: number } {
  const number = (label: string) => Number(output.match(new RegExp(`^ {2}${label}:\\s+(\\d+)$`, 'm'))?.[1] ?? 0);
  return { total: number('Total') - number('Skipped'), passed: number('Passed') };
}

function report(file: string, { passed, failed, seconds, output }: Result): void {
  const mark = failed === 0 ? '✔' : '✘';
  const failures = failed === 0 ? '' : `, ${failed} failed`;
  const name = relative(directory, file).padEnd(44);
  process.stdout.write(`${mark} ${name} ${String(passed).padStart(4)} passed${failures}  ${seconds.toFixed(1)} s\n`);
  // Seeds and rates that a test prints are worth seeing, too.
  for (const line of output.split('\n')) if (/^(seed|# )/.test(line)) process.stdout.write(`    ${line}\n`);
  if (failed > 0) process.stdout.write(`${output}\n`);
}

const files = discover();
let passed = 0;
let failed = 0;
const queue = [...files];
async function work(): Promise<void> {
  for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
    const result = await runFile(file);
    passed += result.passed;
    failed += result.failed;
    report(file, result);
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    for (const child of running) signalGroup(child, 'SIGKILL');
    process.exit(130);
  });
}
await Promise.all(Array.from({ length: AT_ONCE }, work));
if (files.length === 0) {
  process.stdout.write(`no test file matches ${words.join(' ')}\n`);
  failed = 1;
}
process.stdout.write(`${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);
