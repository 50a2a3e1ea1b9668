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
const { foundersPatienceMs: PATIENCE, foundersRounds: ROUNDS } = limits.control;
const QUIET = ROUNDS * limits.peers.redialMaxMs;

type Row = readonly [heard: Record<string, ClusterId | ''>, waitedMs: number, rounds: number, verdict: string];
const TABLE: readonly Row[] = [
  [{}, 0, 0, 'waits'],
  [{ b: '' }, QUIET, ROUNDS, 'waits'],
  [{ b: '', c: '' }, 0, 0, 'waits'],
  [{ b: '', c: '' }, QUIET, ROUNDS - 1, 'waits'],
  [{ b: '', c: '' }, QUIET, ROUNDS, 'founded'],
  [{ b: '', c: '' }, PATIENCE, 0, 'waits'],
  [{ b: '' }, PATIENCE - 1, ROUNDS, 'waits'],
  [{ b: '' }, PATIENCE, ROUNDS, 'foundedWithout'],
  [{}, PATIENCE, ROUNDS, 'waits'],
  [{ b: X, c: '' }, 0, 0, 'lost'],
  [{ b: X }, PATIENCE, ROUNDS, 'lost'],
  [{ stranger: '' }, PATIENCE, ROUNDS, 'waits'],
  [{ b: '', c: '', newcomer: X }, QUIET, ROUNDS, 'lost'],
];

test('a table of what was heard', () => {
  for (const [heard, waitedMs, rounds, verdict] of TABLE) {
    const said = new Map(Object.entries(heard) as [BrokerId, ClusterId | ''][]);
    const found = verdictOn([A, B, C], A, said, waitedMs, rounds);
    assert.equal(found, verdict, JSON.stringify([heard, waitedMs, rounds]));
  }
});

test('a founder alone, too, waits for those that may know of a cluster which has outgrown it', () => {
  const alone = new Map<BrokerId, ClusterId | ''>();
  assert.equal(verdictOn([A], A, alone, QUIET, ROUNDS - 1), 'waits');
  assert.equal(verdictOn([A], A, alone, QUIET, ROUNDS), 'founded');
  const { clock, told, hear } = watch('', [A]);
  clock.advance(QUIET - 1);
  assert.deepEqual(told, []);
  hear('newcomer' as BrokerId, X);
  clock.advance(2 * PATIENCE);
  assert.deepEqual(told, []);
  const other = watch('', [A]);
  other.clock.advance(QUIET);
  assert.deepEqual(other.told, ['trust']);
});

test('the last founder to be met begins the wait anew, so that all end it together', () => {
  const { clock, told, hear } = watch('');
  hear(B, '');
  clock.advance(QUIET - 1);
  hear(C, '');
  clock.advance(QUIET - 1);
  assert.deepEqual(told, []);
  clock.advance(1);
  assert.deepEqual(told, ['trust']);
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
    views.push({
      id,
      cluster,
      state: 'up',
      grpcAddress: '',
      httpAddress: '',
      incarnation: 'i',
      zone: '',
      refuses: false,
    });
    changes.next();
  };
  const refuse = (id: BrokerId, refuses: boolean) => {
    const others = views.filter((view) => view.id !== id);
    const state = refuses ? 'connecting' : 'down';
    const said = { cluster: null, grpcAddress: '', httpAddress: '', incarnation: '', zone: '' };
    views.splice(0, views.length, ...others, { id, state, ...said, refuses });
  };
  return { clock, told, hear, refuse };
}

test('all are trusted once, some time after the last founder was heard', () => {
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

test('not without one that is there and refuses this broker; only when nothing of it is heard any more', () => {
  const { clock, told, hear, refuse } = watch('');
  hear(B, '');
  refuse(C, true);
  clock.advance(5 * PATIENCE);
  assert.deepEqual(told, []);
  refuse(C, false);
  clock.advance(1_000);
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
      views: [
        {
          id: B,
          cluster: '',
          state: 'up',
          grpcAddress: '',
          httpAddress: '',
          incarnation: 'i',
          zone: '',
          refuses: false,
        },
      ],
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
