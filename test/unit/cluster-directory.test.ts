// Who leads what, and forwarding to them: every request ends once, and "not applied" is said only when it is certain.
import { strict as assert } from 'node:assert';
import { map, Subject } from 'rxjs';
import { test } from 'uvu';
import { createClusterDirectory } from '../../src/actors/cluster/cluster-directory.ts';
import type { PeerView } from '../../src/actors/cluster/peer-interface.ts';
import { createLeadTable } from '../../src/actors/cluster/shard-leads.ts';
import type { MonitorClient } from '../../src/actors/monitor-client.ts';
import { encodeProposal, type RowProposal } from '../../src/actors/shard/row-proposal.ts';
import type { Shard } from '../../src/actors/shard.ts';
import type { BrokerId, ClusterId, HostId, ShardId } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import { foundedBy, inForce } from '../../src/machines/raft/membership.ts';
import type { ForwardOutcome, PeerMessage, ShardLeads } from '../../src/streams/envelope.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createFakeRaft } from '../support/fake-raft.ts';

const [A, B, C] = ['a', 'b', 'c'] as [BrokerId, BrokerId, BrokerId];
const PROPOSAL: RowProposal = { rows: [], hosts: [{ host: 'h' as HostId, labels: { zone: 'z' } }] };
const BYTES = encodeProposal(PROPOSAL);
const leads = (...shards: readonly (readonly [shard: number, term: number])[]): ShardLeads => ({
  kind: 'leads',
  shards: shards.map(([shard, term]) => ({
    shard: shard as ShardId,
    term,
    configuration: inForce(foundedBy(shard === 0 ? [A, B, C] : [B, C])),
    settled: true,
  })),
});

/** Broker a: a replica of shard 0, none of shard 1. */
function create() {
  const clock = createVirtualClock();
  const sent: { readonly to: BrokerId; readonly message: PeerMessage }[] = [];
  const linkChanges = new Subject<void>();
  const view = (id: BrokerId): { -readonly [K in keyof PeerView]: PeerView[K] } => ({
    id,
    state: 'up',
    grpcAddress: `${id}:1`,
    httpAddress: `${id}:2`,
    incarnation: '',
    zone: '',
    refuses: false,
    cluster: '',
  });
  const views = [view(B), view(C)];
  const peers = {
    views,
    changes: linkChanges,
    send: (to: BrokerId, message: PeerMessage) => void sent.push({ to, message }),
  };
  const proposed: { readonly proposal: RowProposal; readonly done: (outcome: ForwardOutcome) => void }[] = [];
  const raft = createFakeRaft('shard-0', [A, B, C], { apply() {} });
  const shard = {
    id: 0 as ShardId,
    raft,
    propose: (proposal: RowProposal, done: (outcome: ForwardOutcome) => void) => void proposed.push({ proposal, done }),
  } as unknown as Shard;
  const shards = new Map([[0 as ShardId, shard]]);
  const shardChanges = raft.statusChanges.pipe(map(() => undefined));
  const table = createLeadTable({ self: A, shards, shardChanges, peers, clock });
  const directory = createClusterDirectory({
    self: A,
    grpcAddress: 'a:1',
    httpAddress: 'a:2',
    layouts: {
      current: {
        version: 1,
        replicas: [
          [A, B, C],
          [B, C],
        ],
      },
    },
    shardCount: 2,
    clusterId: () => 'c1' as ClusterId,
    announced: new Map([
      [C, { id: C, incarnation: '', grpcAddress: 'c:1', httpAddress: 'c:agreed', zone: '', refuses: false }],
    ]),
    shards,
    shardChanges,
    leads: table,
    peers,
    clients: (address) => ({ address }) as MonitorClient,
    clock,
  });
  let changes = 0;
  directory.changes.subscribe(() => changes++);
  const outcomes: ForwardOutcome[] = [];
  return {
    clock,
    sent,
    views,
    linkChanges,
    raft,
    proposed,
    table,
    directory,
    outcomes,
    changes() {
      const since = changes;
      changes = 0;
      return since;
    },
    forward: (to: BrokerId, shardNumber = 1) =>
      directory.forward(to, shardNumber as ShardId, BYTES, 1_000, (outcome) => outcomes.push(outcome)),
    /** Of the last request that was sent. */
    lastRequest() {
      const request = sent.map(({ message }) => message).findLast(({ kind }) => kind === 'forward');
      assert.ok(request?.kind === 'forward');
      return request;
    },
  };
}

test('members with what is known of them; of one that has not said it, what was agreed on', () => {
  const { directory, views } = create();
  const [, c] = views;
  assert.ok(c !== undefined);
  c.httpAddress = '';
  c.state = 'down';
  assert.deepEqual(
    directory.brokers.map(({ id, grpcAddress, httpAddress, state }) => [id, grpcAddress, httpAddress, state].join()),
    ['a,a:1,a:2,up', 'b,b:1,b:2,up', 'c,c:1,c:agreed,down'],
  );
  assert.equal(directory.clusterId, 'c1');
  assert.equal(directory.shardCount, 2);
  assert.deepEqual(directory.replicasOf(1 as ShardId), [B, C]);
  assert.deepEqual(directory.replicasOf(9 as ShardId), []);
  assert.equal(directory.client(B)?.address, 'b:1');
  assert.equal(directory.client(A), null);
  assert.equal(directory.client('z' as BrokerId), null);
});

test('the leader: of a shard here its group knows, of another whoever says so, in the latest term', () => {
  const { directory, raft, table, changes } = create();
  assert.equal(directory.leaderOf(0 as ShardId), null);
  raft.become({ leader: B });
  assert.equal(directory.leaderOf(0 as ShardId), B);
  assert.equal(directory.leaderOf(1 as ShardId), null);
  changes();
  table.heard(B, leads([1, 4], [0, 9]));
  assert.equal(directory.leaderOf(1 as ShardId), B);
  assert.equal(directory.leaderOf(0 as ShardId), B, 'its own group knows better');
  assert.equal(changes(), 1);
  table.heard(B, leads([1, 4], [0, 9]));
  assert.equal(changes(), 0, 'no news');
  table.heard(C, leads([1, 5]));
  assert.equal(directory.leaderOf(1 as ShardId), C);
  table.heard(B, leads([1, 4]));
  assert.equal(directory.leaderOf(1 as ShardId), C, 'an old leader that does not know it yet');
  table.heard(C, leads());
  assert.equal(directory.leaderOf(1 as ShardId), B);
  changes();
  table.lost(B);
  assert.equal(directory.leaderOf(1 as ShardId), null);
  assert.equal(changes(), 1);
});

test('what this broker leads is told at once when it changes, together, and once a second', () => {
  const { clock, sent, raft, table } = create();
  const told = () => sent.splice(0).map(({ to, message }) => [to, message]);
  raft.become({ role: 'leader', leader: A, term: 3 });
  raft.become({ serving: true });
  clock.advance(1);
  const mine = leads([0, 3]);
  assert.deepEqual(told(), [
    [B, mine],
    [C, mine],
  ]);
  raft.become({ commit: 5 });
  clock.advance(1);
  assert.deepEqual(told(), [], 'no news');
  clock.advance(limits.peers.beatMs);
  assert.deepEqual(told(), [
    [B, mine],
    [C, mine],
  ]);
  table.opened(C);
  assert.deepEqual(told(), [[C, mine]]);
  raft.become({ role: 'follower', leader: null, serving: false });
  clock.advance(1);
  assert.deepEqual(told(), [
    [B, leads()],
    [C, leads()],
  ]);
  table.stop();
  clock.advance(5_000);
  assert.deepEqual(told(), []);
});

test('a forwarded proposal ends as its answer says', () => {
  const { clock, directory, forward, lastRequest, outcomes } = create();
  const answers: ForwardOutcome[] = [
    { outcome: 'applied' },
    { outcome: 'notApplied', code: 'UNAVAILABLE', message: 'c leads', leader: C },
    { outcome: 'unknown', message: 'late' },
  ];
  for (const result of answers) {
    forward(B);
    const { requestId, shard, proposal } = lastRequest();
    assert.deepEqual([shard, proposal], [1, BYTES]);
    directory.settle(C, { kind: 'forwardReply', requestId, result });
    assert.deepEqual(outcomes, [], 'only who was asked can answer');
    directory.settle(B, { kind: 'forwardReply', requestId, result });
    directory.settle(B, { kind: 'forwardReply', requestId, result: { outcome: 'applied' } });
    clock.advance(2_000);
    assert.deepEqual(outcomes.splice(0), [result]);
  }
});

test('who is named as leader is asked next, until it turns out wrong', () => {
  const { directory, forward, lastRequest, views } = create();
  const settle = (result: ForwardOutcome) => directory.settle(B, { ...lastRequest(), kind: 'forwardReply', result });
  const leader = () => directory.leaderOf(1 as ShardId);
  forward(B);
  settle({ outcome: 'applied' });
  assert.equal(leader(), B);
  forward(B);
  settle({ outcome: 'notApplied', code: 'UNAVAILABLE', message: '', leader: null });
  assert.equal(leader(), null);
  forward(B);
  settle({ outcome: 'notApplied', code: 'UNAVAILABLE', message: '', leader: C });
  assert.equal(leader(), C);
  const [, c] = views;
  assert.ok(c !== undefined);
  c.state = 'connecting';
  forward(C);
  assert.equal(leader(), null, 'there is no way to it');
  forward(B);
  settle({ outcome: 'applied' });
  directory.peerLost(C);
  assert.equal(leader(), B);
  directory.peerLost(B);
  assert.equal(leader(), null);
});

test('without an answer the outcome is unknown: after its time, when the stream ends, when this broker stops', () => {
  const { clock, directory, forward, outcomes, lastRequest } = create();
  forward(B);
  clock.advance(999);
  assert.deepEqual(outcomes, []);
  clock.advance(1);
  assert.deepEqual(outcomes.splice(0), [{ outcome: 'unknown', message: 'b did not answer within 1000 ms' }]);
  forward(B);
  forward(C);
  const late = lastRequest();
  directory.peerLost(C);
  assert.deepEqual(outcomes.splice(0), [{ outcome: 'unknown', message: 'the link to c broke' }]);
  directory.settle(C, { kind: 'forwardReply', requestId: late.requestId, result: { outcome: 'applied' } });
  directory.stop();
  assert.deepEqual(outcomes, [{ outcome: 'unknown', message: 'this broker is stopping' }]);
  clock.advance(5_000);
  assert.equal(outcomes.length, 1);
});

test('what cannot be sent is certainly not applied; too much is refused', () => {
  const { clock, forward, outcomes, views } = create();
  const [b, c] = views;
  assert.ok(b !== undefined && c !== undefined);
  c.state = 'down';
  for (const state of ['connecting', 'down']) {
    b.state = state;
    forward(B);
    assert.equal(outcomes.length, 0, 'never within the call');
    clock.advance(1);
    assert.deepEqual(outcomes.splice(0), [
      { outcome: 'notApplied', code: 'UNAVAILABLE', message: 'no link to b', leader: null },
    ]);
  }
  forward('z' as BrokerId);
  clock.advance(1);
  assert.equal(outcomes.splice(0)[0]?.outcome, 'notApplied');
  b.state = 'suspect';
  for (let n = 0; n <= limits.peers.forwardsMax; n++) forward(B);
  clock.advance(1);
  assert.deepEqual(
    outcomes.map((outcome) => outcome.outcome === 'notApplied' && outcome.code),
    ['RESOURCE_EXHAUSTED'],
  );
});

test('a forwarded proposal is proposed here, and answered over the stream that asked, or not at all', () => {
  const { directory, proposed, sent } = create();
  const ask = (requestId: number, change: { shard?: number; proposal?: Uint8Array } = {}) =>
    directory.answer(B, {
      kind: 'forward',
      requestId,
      proposal: BYTES,
      relay: false,
      ...change,
      shard: (change.shard ?? 0) as ShardId,
    });
  ask(1);
  assert.deepEqual(proposed[0]?.proposal, PROPOSAL);
  proposed[0].done({ outcome: 'applied' });
  assert.deepEqual(sent.splice(0), [
    { to: B, message: { kind: 'forwardReply', requestId: 1, result: { outcome: 'applied' } } },
  ]);
  // b is killed and starts anew: its requests are numbered from 1 again.
  ask(2);
  directory.peerLost(B);
  proposed[1]?.done({ outcome: 'applied' });
  assert.equal(sent.length, 0, 'nobody is there any more who asked');
  ask(2);
  proposed[2]?.done({ outcome: 'unknown', message: 'late' });
  assert.equal(sent.length, 1);
  sent.length = 0;

  for (const [change, code] of [
    [{ shard: 1 }, 'FAILED_PRECONDITION'],
    [{ proposal: Uint8Array.of(0xff) }, 'INVALID_ARGUMENT'],
  ] as const) {
    ask(9, change);
    const [reply] = sent.splice(0);
    assert.ok(reply?.message.kind === 'forwardReply' && reply.message.result.outcome === 'notApplied');
    assert.equal(reply.message.result.code, code);
  }
  assert.equal(proposed.length, 3);
});

test('without a link to the leader, or without knowing it, another broker is asked to pass rows on', () => {
  const { clock, directory, lastRequest, outcomes, sent, views } = create();
  const [b, c] = views;
  assert.ok(b !== undefined && c !== undefined);
  const forward = (to: BrokerId | null) => {
    sent.length = 0;
    directory.forward(to, 1 as ShardId, BYTES, 1_000, (outcome) => outcomes.push(outcome));
    clock.advance(1);
    return sent.flatMap(({ to: via, message }) => (message.kind === 'forward' ? [[via, message.relay]] : []));
  };
  b.state = 'down';
  assert.deepEqual(forward(B), [[C, true]]);
  directory.settle(C, { ...lastRequest(), kind: 'forwardReply', result: { outcome: 'applied' } });
  assert.deepEqual(outcomes.splice(0), [{ outcome: 'applied' }]);
  assert.equal(directory.leaderOf(1 as ShardId), null, 'who passes it on is not taken for the leader');
  b.state = 'up';
  const asked = [forward(null), forward(null)].flat();
  assert.deepEqual(asked.map(([to]) => to).sort(), [B, C], 'another one each time');
  c.state = 'down';
  b.state = 'suspect';
  assert.deepEqual(forward(C), []);
  assert.equal(outcomes.at(-1)?.outcome, 'notApplied');
});

test('rows are passed on to the leader, once, and its answer is brought back', () => {
  const { directory, lastRequest, proposed, raft, sent, views } = create();
  const ask = (relay: boolean) => {
    sent.length = 0;
    const shard = 0 as ShardId;
    directory.answer(B, { kind: 'forward', requestId: 7, proposal: BYTES, shard, relay });
    return sent.map(({ to }) => to);
  };
  raft.become({ leader: C });
  assert.deepEqual(ask(true), [C]);
  const { requestId, proposal, relay } = lastRequest();
  assert.deepEqual([proposal, relay], [BYTES, false]);
  const result: ForwardOutcome = { outcome: 'unknown', message: 'late' };
  directory.settle(C, { kind: 'forwardReply', requestId, result });
  assert.deepEqual(sent.at(-1), { to: B, message: { kind: 'forwardReply', requestId: 7, result } });
  for (const [relayed, leader] of [
    [false, C],
    [true, A],
    [true, null],
  ] as const) {
    raft.become({ leader });
    assert.deepEqual(ask(relayed), [], 'it is this broker that answers');
  }
  const [, c] = views;
  assert.ok(c !== undefined);
  c.state = 'down';
  raft.become({ leader: C });
  assert.deepEqual(ask(true), [], 'two hops at most');
  assert.equal(proposed.length, 4);
});

test('whoever waits is told of links, leaders and ends', () => {
  const { directory, linkChanges, raft, changes } = create();
  changes();
  linkChanges.next();
  assert.equal(changes(), 1);
  raft.become({ leader: C });
  assert.equal(changes(), 1);
  directory.peerLost(C);
  assert.equal(changes(), 1);
  directory.stop();
  linkChanges.next();
  raft.become({ leader: B });
  assert.equal(changes(), 0);
});

test.run();
