// What is one for all Raft groups of a broker, and what is one for all hosts that it hears.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { createHostBeatRounds } from '../../src/actors/cluster/host-beats.ts';
import { createRaftHost } from '../../src/actors/cluster/raft-host.ts';
import type { Shard } from '../../src/actors/shard.ts';
import type { BrokerId, GroupId, HostId, ShardId } from '../../src/core/ids.ts';
import type { HostBeat, PeerMessage, RaftEnvelope } from '../../src/streams/envelope.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createMemoryLog } from '../support/memory-log.ts';

const [A, B, C, D] = ['a', 'b', 'c', 'd'] as [BrokerId, BrokerId, BrokerId, BrokerId];

function host() {
  const clock = createVirtualClock();
  const sent: { readonly at: number; readonly to: BrokerId; readonly envelope: RaftEnvelope }[] = [];
  const raft = createRaftHost({
    self: A,
    clock,
    random: createRandom(1),
    log: createMemoryLog({ clock, disk: new Map() }),
    inspector: createInspector({ clock }),
    send: (to, envelope) => sent.push({ at: clock.monotonic(), to, envelope }),
    sendPulse() {},
    options: { heartbeatMs: 50, electionMinMs: 250, electionMaxMs: 500, closedConnectionHint: true },
    failed: (error) => {
      throw error;
    },
  });
  const reply = (group: GroupId, from: BrokerId, type: 'preVoteReply' | 'voteReply', term: number): RaftEnvelope => ({
    group,
    message: { type, from, to: A, term, granted: true },
    entries: [],
  });
  return { clock, sent, raft, reply };
}

test('all groups beat in the same turn', () => {
  const { clock, sent, raft, reply } = host();
  const groups: GroupId[] = ['control', 'shard-0', 'shard-1'];
  for (const group of groups) raft.create(group, [A, B, C], { apply() {} }).trust();
  clock.advance(600);
  for (const group of groups) raft.receive(B, [reply(group, B, 'preVoteReply', 1)]);
  clock.advance(5);
  for (const group of groups) raft.receive(B, [reply(group, B, 'voteReply', 1)]);
  assert.deepEqual(
    [...raft.groups.values()].map(({ status }) => status.role),
    ['leader', 'leader', 'leader'],
  );
  sent.length = 0;
  clock.advance(100);
  const beats = sent.filter(({ to, envelope }) => to === B && envelope.message.type === 'heartbeat');
  const moments = new Set(beats.map(({ at }) => at));
  assert.equal(beats.length, 3 * moments.size);
  assert.ok(moments.size >= 1 && moments.size <= 2);
  raft.stop();
  clock.advance(10);
  sent.length = 0;
  clock.advance(60);
  assert.deepEqual(
    sent.filter(({ envelope }) => envelope.message.type === 'heartbeat'),
    [],
  );
});

test('nobody speaks for another, and groups that are not here hear nothing', () => {
  const { clock, raft, reply } = host();
  const group = raft.create('control', [A, B, C], { apply() {} });
  assert.equal(group.status.role, 'storageUncertain', 'nothing was ever written: its disk may have been lost');
  group.trust();
  clock.advance(600);
  assert.equal(group.status.role, 'preCandidate');
  raft.receive(C, [reply('control', B, 'preVoteReply', 1), reply('shard-7', C, 'preVoteReply', 1)]);
  assert.equal(group.status.role, 'preCandidate');
  raft.receive(B, [reply('control', B, 'preVoteReply', 1)]);
  assert.equal(group.status.role, 'candidate');
});

test("hosts' beats go to their shards' leaders once a second, one message for each", () => {
  const clock = createVirtualClock();
  const beat = (name: string): HostBeat => ({
    host: name as HostId,
    agent: 'x',
    ageMs: 0,
    intervalMs: 5_000,
    clockSkewMs: 0,
  });
  const heard: string[] = [];
  const sent: string[] = [];
  let waiting: HostBeat[] = [];
  const leaders = [A, B, C, null, D];
  const view = { grpcAddress: '', httpAddress: '', incarnation: '', zone: '', refuses: false, cluster: null };
  const shard = {
    beats: (beats: readonly HostBeat[]) => heard.push(...beats.map((one) => one.host)),
  } as unknown as Shard;
  const rounds = createHostBeatRounds({
    directory: {
      self: A,
      shards: new Map([[0 as ShardId, shard]]),
      shardOf: (name) => Number(name.slice(1)) as ShardId,
      leaderOf: (number) => leaders[number] ?? null,
    },
    peers: {
      views: [B, C, D].map((id) => ({ ...view, id, state: id === D ? 'down' : 'up' })),
      send(to: BrokerId, message: PeerMessage) {
        assert.ok(message.kind === 'beats');
        sent.push(`${to}${message.relay ? ', to pass on' : ''}: ${message.hosts.map((one) => one.host).join()}`);
      },
    },
    clock,
    take: () => waiting.splice(0),
  });
  waiting = ['h0', 'g0', 'h1', 'h2', 'g1', 'h3', 'h4'].map(beat);
  clock.advance(999);
  assert.deepEqual([heard, sent], [[], []]);
  clock.advance(1);
  assert.deepEqual(heard, ['h0', 'g0']);
  assert.deepEqual(sent.splice(0), ['b: h1,g1', 'c: h2', 'b, to pass on: h3,h4']);
  rounds.receive({ kind: 'beats', hosts: [beat('k0'), beat('k1')], relay: false });
  assert.deepEqual(heard, ['h0', 'g0', 'k0'], 'of shards that are elsewhere nothing is known here');
  clock.advance(1_000);
  assert.deepEqual(sent, [], 'without news nothing is sent');
  rounds.receive({ kind: 'beats', hosts: ['i0', 'i1', 'i3', 'i4'].map(beat), relay: true });
  assert.deepEqual(heard.slice(3), ['i0']);
  assert.deepEqual(sent.splice(0), ['b: i1'], 'passed on once: what has no way from here either is lost');
  waiting = [beat('h4')];
  clock.advance(1_000);
  assert.deepEqual(sent.splice(0), ['c, to pass on: h4'], 'another one each time');
  rounds.stop();
  waiting = [beat('h1')];
  clock.advance(5_000);
  assert.deepEqual(sent, []);
});

test.run();
