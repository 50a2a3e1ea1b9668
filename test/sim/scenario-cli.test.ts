// watchdog: 240s
// `vedette scenario` as people and programs use it.
import { rejects } from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseFlags } from '../../src/cli/flags.ts';
import { scenarioCommand } from '../../src/cli/scenario.ts';
import { tempDirectory } from '../support/temp.ts';
import { until } from '../support/until.ts';

interface Said {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

async function vedette(...args: string[]): Promise<Said> {
  const child = spawn(process.execPath, ['bin/vedette.mjs', 'scenario', ...args]);
  let out = '';
  let error = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  child.stderr.on('data', (chunk) => (error += String(chunk)));
  const [code] = (await once(child, 'close')) as [number];
  return { code, out, error };
}

const directory = tempDirectory('scenarios');
const file = (name: string, text: string): string => {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
};
const HEAD = 'version: 1\nname: a leader dies\nseed: 17\nfor: 2s\n';

test('wrong usage is exit code 2, and says what would be right', async () => {
  const broken = file('broken.yaml', `${HEAD}steps:\n  - { at: 1s, fault: crsh, target: leader, for: 1s }\n`);
  const whole = file('whole.yaml', `${HEAD}steps:\n  - { at: 1s, fault: crash, target: leader, for: 1s }\n`);
  const wrong: [string[], RegExp][] = [
    [[], /takes fuzz or run/],
    [['fuz'], /not "fuz"; did you mean fuzz\?/],
    [['fuzz', '--dry-run'], /--dry-run belongs to vedette scenario run/],
    [['fuzz', 'x.yaml'], /takes no "x\.yaml"/],
    [['run', 'x.yaml', '--mode', 'live'], /--mode live: it is not in this release/],
    [['run', 'x.yaml', '--attach', '127.0.0.1:7411'], /--attach: it is not in this release/],
    [['run', 'x.yaml', '--junit', 'x.xml'], /--junit: it is not in this release/],
    [['run', 'x.yaml', '--record', 'x'], /--record: it is not in this release/],
  ];
  for (const [args, words] of wrong)
    await rejects(scenarioCommand.run(parseFlags(scenarioCommand, args, {})), {
      code: 'INVALID_ARGUMENT',
      message: words,
    });
  const refused: [string[], RegExp][] = [
    [['fuzz', '--seeds', '9..3'], /seeds are a number or a range such as 1\.\.500, not "9\.\.3"/],
    // Before anything runs: so many seeds take hours.
    [
      ['fuzz', '--seeds', '1..100000', '--out', join(broken, 'runs')],
      /--out .*runs: .*broken\.yaml is not a directory/,
    ],
    [['fuzz', '--seeds', '1..100000', '--report', directory], /--report .*: EISDIR/],
    [['run', whole, '--report', join(directory, 'none/r.json')], /--report .*none\/r\.json: ENOENT/],
    [['run', broken], /broken\.yaml:6: steps\[0\]\.fault "crsh" is no fault; did you mean crash\?/],
  ];
  for (const [args, words] of refused) {
    const { code, error } = await vedette(...args);
    assert.match(error, words, args.join(' '));
    assert.is(code, 2, args.join(' '));
  }
});

test('a scenario passes, with a timeline; one whose fault touches nothing is invalid', async () => {
  const crash = '{ at: 1s, fault: crash, target: leader, for: 500ms }';
  const good = file('good.yaml', `${HEAD}steps:\n  - ${crash}\n`);
  const passed = await vedette('run', good);
  assert.is(passed.code, 0, passed.error);
  assert.match(passed.out, /1\.000 s {2}crash leader for 500ms {2}→ broker-\d: touched 1/);
  assert.match(passed.out, /^passed: .* trace [0-9a-f]{16}$/m);

  const idle = file(
    'idle.yaml',
    `${HEAD}steps:\n  - ${crash}\n  - { at: 1.1s, fault: partition, groups: [[broker-1], []], for: 1s }\n`,
  );
  const report = join(directory, 'report.json');
  const invalid = await vedette('run', idle, '--json', '--report', report);
  assert.is(invalid.code, 1, invalid.error);
  const told = JSON.parse(invalid.out) as { verdict: string; faults: { touched: number }[]; traceHash: string };
  assert.is(told.verdict, 'invalid');
  assert.equal(
    told.faults.map(({ touched }) => touched),
    [1, 0],
  );
  assert.equal(JSON.parse(readFileSync(report, 'utf8')), told);
  assert.match((await vedette('run', good, '--dry-run')).out, /^ +1\.000 s {2}crash leader for 500ms$/m);
});

test('fuzz runs seeds, and keeps the smallest run of one that fails, which fails again from its file', async () => {
  const report = join(directory, 'fuzz.json');
  const quiet = await vedette('fuzz', '--seeds', '1..2', '--json', '--jobs', '2', '--report', report);
  assert.is(quiet.code, 0, quiet.error);
  const { seeds, failures, messagesPerSecond } = JSON.parse(quiet.out) as {
    seeds: number;
    failures: unknown[];
    messagesPerSecond: number;
  };
  assert.equal([seeds, failures], [2, []]);
  assert.ok(messagesPerSecond > 0);
  assert.is(readFileSync(report, 'utf8'), quiet.out);

  const bug = ['--bug', 'replyBeforeSync'];
  const out = join(directory, 'kept');
  const found = await vedette('fuzz', '--seeds', '1', ...bug, '--out', out, '--shrink-runs', '10');
  assert.is(found.code, 1, found.error);
  assert.match(found.out, /seed 1: .*\n {2}\d+ of \d+ faults are left after \d+ runs: /);
  const [kept = ''] = readdirSync(out);
  const again = await vedette('run', join(out, kept), ...bug);
  assert.is(again.code, 3, again.error);
  assert.match(again.out, /^failed: /m);
});

test('whoever ends it ends the simulator with it', async () => {
  const child = spawn(
    process.execPath,
    ['bin/vedette.mjs', 'scenario', 'fuzz', '--seeds', '1..100000', '--jobs', '1'],
    {
      stdio: 'ignore',
      cwd: process.cwd(),
    },
  );
  const simulator = () => Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim());
  let pid = 0;
  try {
    await until('the simulator runs', () => (pid = simulator()) > 0, 60_000);
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    assert.equal(await ended, [143, null]);
    assert.not(existsSync(`/proc/${pid}`));
  } finally {
    child.kill('SIGKILL');
    if (pid > 0 && existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
  }
});

test.run();
