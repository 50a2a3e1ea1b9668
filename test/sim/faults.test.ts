// watchdog: 240s
// Every fault that a schedule can name does something, says how much, and is survived.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { replay } from '../../scenarios/engine/sim/replay.ts';
import { parseScenario } from '../../scenarios/engine/sim/scenario-file.ts';

/** Each step alone, in a cluster of three and a spare one whose log is the real one, on small segments. */
const STEPS: readonly string[] = [
  'fault: crash, target: leader, for: 300ms',
  'fault: crash, target: broker-2, moment: write, for: 300ms',
  'fault: crash, target: broker-2, moment: synced, for: 300ms',
  'fault: crash, target: [broker-1, broker-2, broker-3], for: 300ms',
  ...['any', 'write', 'sync', 'message', 'timer'].map(
    (kind) => `fault: crash-at, await: ${kind}, nth: 3, times: 2, target: leader, for: 100ms`,
  ),
  ...['open', 'read', 'directory'].map(
    (kind) => `fault: crash-at, await: ${kind}, restart: true, target: leader, for: 100ms`,
  ),
  'fault: stop, target: leader, for: 300ms',
  'fault: stop, target: [broker-1, broker-2, broker-3], for: 300ms',
  'fault: pause, target: leader, for: 800ms',
  'fault: wipe, target: leader, for: 100ms',
  'fault: wipe, target: follower, for: 100ms',
  'fault: partition, groups: [[broker-1], [broker-2, broker-3]], for: 800ms',
  'fault: partition, groups: [[broker-1], [broker-2]], direction: out, for: 800ms',
  'fault: partition, groups: [[broker-1], [broker-2]], direction: in, for: 800ms',
  'fault: isolate, target: leader, for: 800ms',
  'fault: isolate, target: leader, direction: in, for: 800ms',
  'fault: isolate, target: minority, for: 800ms',
  'fault: network, target: broker-1<->broker-2, loss: 0.5, for: 800ms',
  'fault: network, target: broker-1<->broker-2, duplicate: 0.5, for: 800ms',
  'fault: network, target: broker-1<->broker-2, reorder: 0.5, for: 800ms',
  'fault: network, target: broker-1<->broker-2, delay: 100ms, jitter: 50ms, for: 800ms',
  'fault: network, target: broker-1<->broker-2, bandwidth: 2000, for: 800ms',
  'fault: network, target: broker-1->broker-2, hold: true, for: 800ms',
  'fault: network, target: broker-1<->broker-2, reset: true',
  'fault: disk, target: leader, kind: slow, factor: 50, for: 800ms',
  'fault: disk, target: leader, kind: hang, for: 800ms',
  'fault: disk, target: leader, kind: full, for: 800ms',
  'fault: disk, target: leader, kind: fsync-error, for: 800ms',
  'fault: disk, target: leader, kind: torn-write, for: 300ms',
  'fault: disk, target: leader, kind: corrupt, for: 0ms',
  'fault: disk, target: leader, kind: corrupt, group: shard-0, for: 0ms',
  'fault: clock, target: leader, drift-ppm: 100000, for: 800ms',
  'fault: clock, target: leader, drift-ppm: -100000, for: 800ms',
  'fault: clock, target: leader, skew: -1h, for: 800ms',
  'fault: clock, target: leader, jump: 1h',
  'fault: clock, target: leader, jump: -10s',
  'fault: clock, target: leader, leap: 400ms',
  'fault: clock, target: follower, leap: 1h',
  'fault: membership, kind: add, target: broker-4',
  'fault: membership, kind: add, target: outsider',
  'fault: membership, kind: remove, target: leader',
  'fault: membership, kind: set, target: [broker-3, broker-4]',
  'fault: membership, kind: transfer, target: follower',
];

/** The same where snapshots are taken all the time. */
const SNAPSHOT_STEPS: readonly string[] = [
  'fault: disk, target: leader, kind: full, files: snapshots, for: 800ms',
  'fault: disk, target: leader, kind: full, files: all, for: 800ms',
  'fault: disk, target: leader, kind: fsync-error, files: snapshots, for: 800ms',
  'fault: disk, target: leader, kind: torn-write, files: snapshots, for: 300ms',
  'fault: disk, target: leader, kind: corrupt, files: snapshots, for: 0ms',
  ...['open', 'read', 'rename', 'directory', 'unlink'].map(
    (kind) => `fault: crash-at, await: ${kind}, times: 2, target: leader, for: 100ms`,
  ),
];

const HEAD = 'version: 1\nname: x\nseed: 7\ncluster: { spares: 1, groups: 2 ';
/** Who has been away needs entries that only the leader's disk has by then. */
const BEHIND = '  - { at: 600ms, fault: isolate, target: broker-3, for: 400ms }\n';
/** A step may find nothing to touch in a run. */
const RUNS = 5;
const SNAPSHOTS = ', snapshots: { every-bytes: 1000, horizon: 50ms, tail: 64, window: 1, patience: 1s, partial: 1s }';

for (const [step, snapshots] of [
  ...STEPS.map((each) => [each, ''] as const),
  ...SNAPSHOT_STEPS.map((each) => [each, SNAPSHOTS] as const),
]) {
  test(`${step}: touches something, and is survived`, () => {
    const behind = step.includes('await: read') ? BEHIND : '';
    const text = `${HEAD}${snapshots}}\ndisk: { segment: 4000, cache: 1000 }\nfor: 2s\nsteps:\n  - { at: 900ms, ${step} }\n${behind}`;
    for (let run = 0; ; run++) {
      const { verdict, violation, faults } = replay(
        parseScenario(text.replace('seed: 7', `seed: ${7 + run}`), 'x.yaml'),
      );
      assert.is(violation, null, violation?.message);
      const touched = faults.find(({ atMs }) => atMs === 900)?.touched ?? 0;
      assert.ok(touched > 0 || run < RUNS, 'it touched something');
      if (touched === 0) continue;
      assert.is(verdict, 'passed');
      return;
    }
  });
}

/** What was damaged is found at the next start; a full disk under a crash is full at the start, too. */
const TOGETHER: readonly (readonly string[])[] = [
  [
    '{ at: 1s, fault: disk, target: broker-1, kind: corrupt, for: 0ms }',
    '{ at: 1.2s, fault: crash, target: broker-1, for: 100ms }',
  ],
  [
    '{ at: 1s, fault: disk, target: broker-2, kind: full, for: 2s }',
    '{ at: 1.5s, fault: crash, target: broker-2, for: 100ms }',
  ],
  [
    '{ at: 1s, fault: disk, target: broker-1, kind: corrupt, group: control, for: 0ms }',
    '{ at: 1.1s, fault: crash, target: broker-1, for: 100ms }',
  ],
  [
    '{ at: 1s, fault: wipe, target: broker-1, for: 100ms }',
    '{ at: 1.1s, fault: crash, target: broker-1, for: 100ms }',
    '{ at: 2.5s, fault: wipe, target: broker-2, for: 100ms }',
  ],
];

for (const steps of TOGETHER) {
  test(`${steps.join(', ')}: is survived`, () => {
    for (let seed = 1; seed <= 5; seed++) {
      const text = `version: 1\nname: x\nseed: ${seed}\ndisk: { segment: 4000, cache: 1000 }\nfor: 4s\nsteps:\n  - ${steps.join('\n  - ')}\n`;
      const { violation, faults } = replay(parseScenario(text, 'x.yaml'));
      assert.is(violation, null, violation?.message);
      assert.ok((faults[0]?.touched ?? 0) > 0, 'the first touched something');
    }
  });
}

test('no more disks are lost at a time than can be survived', () => {
  const steps = [1, 2, 3].map((n) => `  - { at: 1.00${n}s, fault: wipe, target: broker-${n}, for: 1s }\n`).join('');
  const { verdict, violation, faults } = replay(
    parseScenario(`version: 1\nname: x\nseed: 7\nfor: 3s\nsteps:\n${steps}`, 'x.yaml'),
  );
  assert.is(violation, null);
  assert.equal(
    faults.map(({ touched }) => touched),
    [1, 0, 0],
  );
  assert.is(verdict, 'invalid', 'and those that were left out are said');
});

test.run();
