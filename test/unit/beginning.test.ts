// When founders are sure that their empty disks always were empty; and who is known to have lost what it knew.
import { strict as assert } from 'node:assert';
import { Subject } from 'rxjs';
import { test } from 'uvu';
import { verdictOn, watchBeginning } from '../../src/actors/cluster/beginning.ts';
import type { PeerView } from '../../src/actors/cluster/peer-interface.ts';
import { createStandings } from '../../src/actors/cluster/standings.ts';
import type { BrokerId, ClusterId, GroupId } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import type { PeerMessage } from '../../src/streams/envelope.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createFakeRaft } from '../support/fake-raft.ts';

const [A, B, C] = ['a', 'b', 'c'] as [BrokerId, BrokerId, BrokerId];
const X = 'x' as ClusterId;
const PATIENCE = limits.control.foundersPatienceMs;

const TABLE: readonly (readonly [heard: Record<string, ClusterId | ''>, waitedMs: number, verdict: string])[] = [
  [{}, 0, 'waits'],
  [{ b: '' }, 0, 'waits'],
  [{ b: '', c: '' }, 0, 'founded'],
  [{ b: '' }, PATIENCE - 1, 'waits'],
  [{ b: '' }, PATIENCE, 'foundedWithout'],
  [{}, PATIENCE, 'waits'],
  [{ b: X, c: '' }, 0, 'lost'],
  [{ b: X }, PATIENCE, 'lost'],
  [{ stranger: '' }, PATIENCE, 'waits'],
  [{ b: '', c: '', newcomer: X }, 0, 'lost'],
];

test('a table of what was heard', () => {
  for (const [heard, waitedMs, verdict] of TABLE) {
    const said = new Map(Object.entries(heard) as [BrokerId, ClusterId | ''][]);
    assert.equal(verdictOn([A, B, C], A, said, waitedMs), verdict, JSON.stringify([heard, waitedMs]));
  }
  assert.equal(verdictOn([A], A, new Map(), 0), 'founded', 'a founder alone');
});

function watch(own: ClusterId | '', founders = [A, B, C]) {
  const clock = createVirtualClock();
  const views: PeerView[] = [];
  const changes = new Subject<void>();
  const told: string[] = [];
  const peers = { views, changes };
  const ports = { self: A, founders, peers, clock, cluster: () => own };
  watchBeginning({ ...ports, trust: () => told.push('trust'), warn: (line) => told.push(line) });
  const hear = (id: BrokerId, cluster: ClusterId | '') => {
    views.push({ id, cluster, state: 'up', grpcAddress: '', httpAddress: '', incarnation: 'i', zone: '' });
    changes.next();
  };
  return { clock, told, hear };
}

test('all are trusted once, when the last founder was heard', () => {
  const { clock, told, hear } = watch('');
  hear(B, '');
  clock.advance(100);
  assert.deepEqual(told, []);
  hear(C, '');
  hear('d' as BrokerId, '');
  clock.advance(PATIENCE);
  assert.deepEqual(told, ['trust']);
});

test('without one of them after a while, which is said', () => {
  const { clock, told, hear } = watch('');
  hear(B, '');
  clock.advance(PATIENCE);
  assert.match(told[0] ?? '', /founded without c, not heard in 10 s/);
  assert.deepEqual(told.slice(1), ['trust']);
});

test('never where a cluster is known, nor by who did not found it', () => {
  for (const { clock, told, hear } of [watch(X), watch('', [B, C])]) {
    hear(B, '');
    hear(C, '');
    clock.advance(2 * PATIENCE);
    assert.deepEqual(told, []);
  }
  const { clock, told, hear } = watch('');
  hear(B, X);
  hear(C, '');
  clock.advance(2 * PATIENCE);
  assert.deepEqual(told, []);
});

test('each tells the others where it is in doubt, and who cannot be helped is named', () => {
  const clock = createVirtualClock();
  const control = createFakeRaft('control', [A, B, C], { apply() {} });
  const groups = new Map([['control' as GroupId, control]]);
  const sent: { readonly to: BrokerId; readonly message: PeerMessage }[] = [];
  const warnings: string[] = [];
  let founded = false;
  const standings = createStandings({
    self: A,
    groups,
    changes: control.statusChanges,
    peers: {
      views: [{ id: B, cluster: '', state: 'up', grpcAddress: '', httpAddress: '', incarnation: 'i', zone: '' }],
      send: (to, message) => sent.push({ to, message }),
    },
    isFounded: () => founded,
    clock,
    warn: (line) => warnings.push(line),
  });
  clock.advance(3_000);
  assert.deepEqual(sent, [], 'nothing is new');
  control.become({ role: 'storageUncertain' });
  assert.deepEqual(standings.reasons(), ['the founders have not all met yet']);
  clock.advance(1);
  assert.deepEqual(sent, [{ to: B, message: { kind: 'standing', uncertain: ['control'] } }], 'once');

  founded = true;
  assert.match(
    standings.reasons().join(),
    /^the disk of a was lost or damaged: the leaders of control do not vouch for it yet$/,
  );
  standings.heard(B, { kind: 'standing', uncertain: ['control'] });
  assert.match(standings.reasons()[1] ?? '', /^a and b lost what they knew of control: too few are left/);
  clock.advance(3_000);
  assert.equal(warnings.length, 1, 'said once');
  standings.lost(B);
  assert.equal(standings.reasons().length, 1, 'of who is not there nothing is known');

  control.become({ role: 'follower', leader: B });
  standings.opened(B);
  clock.advance(3_000);
  assert.deepEqual(
    sent.slice(-1).map(({ message }) => message),
    [{ kind: 'standing', uncertain: [] }],
  );
  assert.deepEqual(standings.reasons(), []);
  standings.stop();
  assert.equal(clock.pending, 0);
});

test.run();
