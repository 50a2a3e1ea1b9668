// The runner of the tests is tested as it is used: on files that hang, crash, or hold no test.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('test runner');

const HEAD = "import { test } from 'uvu';\nimport * as assert from 'uvu/assert';\n";
const ONE = "test('a', () => {});\ntest.run();";

/** Runs the given files, each one's text by its name. They lie where packages are found. */
function run(files: Readonly<Record<string, string>>) {
  mkdirSync('dist', { recursive: true });
  const directory = mkdtempSync(join('dist', 'test-runner-'));
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, `${name}.test.ts`), text);
    const { status, stdout } = spawnSync(process.execPath, ['--import', 'tsx', 'test/run.ts', `--in=${directory}`], {
      encoding: 'utf8',
    });
    return { status, stdout, last: stdout.trimEnd().split('\n').at(-1) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Each: the file's text, what is said of it, and how many of its tests passed. All have one failure. */
const faults: Readonly<Record<string, [text: string, words: RegExp, passed: number]>> = {
  'a failing test': [`${HEAD}test('b', () => assert.is(1, 2));\n${ONE}`, /FAIL +"b"/, 1],
  'no test': [`${HEAD}test.run();`, /it registers no test/, 0],
  'a test that never runs': [`${HEAD}test('a', () => {});`, /test never runs/, 0],
  'a suite that never runs': [
    "import { suite } from 'uvu';\nconst ring = suite('ring');\nring('a', () => {});",
    /ring never runs: end the file with ring\.run\(\)/,
    0,
  ],
  // Joined, so that this file itself leaves nothing out.
  'tests left out': [`${HEAD}test${'.only'}('b', () => {});\n${ONE}`, /left out by \.only\(\)/, 0],
  'a crash before its tests': [`${HEAD}${ONE}\nthrow new Error('broken');`, /exit code 1 before its tests/, 0],
  'a crash after its tests': [
    `${HEAD}${ONE}\nprocess.on('exit', () => process.exit(3));`,
    /all tests passed, but the process ended with exit code 3/,
    1,
  ],
  'an end in the midst': [`${HEAD}test('b', () => process.exit(0));\n${ONE}`, /no test|before its tests/, 0],
  'an open server': [
    `// watchdog: 3s\n${HEAD}import { createServer } from 'node:net';\ncreateServer().listen(0, '127.0.0.1');\n${ONE}`,
    /still open: .*a server on .*127\.0\.0\.1[\s\S]*within \d s, although its tests had come to their end/,
    1,
  ],
  'a loop': [
    `// watchdog: 3s\n${HEAD}test('b', () => {\n  for (;;);\n});\n${ONE}`,
    /within \d s; .*a loop that never yields/,
    0,
  ],
};

test('every way to fail is seen, named, and counted', () => {
  const { status, stdout, last } = run(
    Object.fromEntries(Object.entries(faults).map(([name, [text]]) => [name, text])),
  );
  for (const [name, [, words, passed]] of Object.entries(faults)) {
    const from = stdout.indexOf(`✘ ${name}.test.ts`);
    assert.ok(from >= 0, `${name}: ${stdout}`);
    const said = stdout.slice(from).split(/\n[✔✘] .*\.test\.ts /)[0] ?? '';
    assert.match(said, new RegExp(`${name}\\.test\\.ts +${passed} passed, 1 failed`));
    assert.match(said, words);
  }
  const passed = Object.values(faults).reduce((sum, fault) => sum + fault[2], 0);
  assert.is(last, `${passed} passed, ${Object.keys(faults).length} failed`);
  assert.is(status, 1);
});

test('what passes is counted, and what a file started dies with it', () => {
  const { status, stdout, last } = run({
    parent: `${HEAD}import { spawn } from 'node:child_process';\ntest('b', () => {\n  const child = spawn('sleep', ['600'], { stdio: 'inherit' });\n  child.unref();\n  console.log('\\n# pid', child.pid);\n});\n${ONE}`,
    single: `${HEAD}${ONE}`,
  });
  assert.is(last, '3 passed, 0 failed');
  assert.is(status, 0);
  const pid = Number(/# pid (\d+)/.exec(stdout)?.[1]);
  assert.ok(pid > 0, stdout);
  const stat = `/proc/${pid}/stat`;
  assert.ok(!existsSync(stat) || / Z /.test(readFileSync(stat, 'utf8')), 'it has ended');
});

test('words that match no file are a failure, not a success', () => {
  const { status, last } = run({});
  assert.is(last, '0 passed, 1 failed');
  assert.is(status, 1);
});

test.run();
