// One heartbeat per pair of brokers: quiet groups say nothing, and whatever goes wrong is noticed as soon as by heartbeats.
import { strict as assert } from 'node:assert';
import { suite } from 'uvu';
import { createPulses } from '../../src/actors/cluster/pulses.ts';
import type { RaftGroup } from '../../src/actors/raft-group.ts';
import type { BrokerId, GroupId } from '../../src/core/ids.ts';
import type { Pulse } from '../../src/streams/envelope.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createFakeRaft } from '../support/fake-raft.ts';
import { createHosts } from '../support/raft-hosts.ts';

const test = suite('pulses');
const GROUPS: GroupId[] = ['control', 'shard-0', 'shard-1', 'shard-2'];

const handled = ({ inspector }: ReturnType<typeof createHosts>): number =>
  inspector.machines().reduce((sum, { id }) => sum + (inspector.machine(id)?.events ?? 0), 0);

test('groups in which all is quiet say nothing, and keep their leaders', () => {
  const world = createHosts(GROUPS, 1);
  world.settled();
  const terms = GROUPS.map((group) => world.terms(group));
  world.sent.length = 0;
  world.pulses.length = 0;
  const before = handled(world);
  world.clock.advance(60_000);
  // Of eight followers each timer fires once in sixteen timeouts; the rest of a minute their charts hear nothing.
  assert.ok(handled(world) - before <= 2 * GROUPS.length * 8, `${handled(world) - before} events`);
  assert.deepEqual(
    GROUPS.map((group) => world.terms(group)),
    terms,
  );
  assert.equal(world.sent.length, 0);
  assert.equal(world.pulses.length, 3 * 2 * 20 * 60);
  assert.ok(
    world.pulses.every(({ pulse }) => pulse.lines === null),
    'lists that are known are not repeated',
  );
  world.stop();
});

test('a leader that stops is missed within the longest timeout and an election', () => {
  for (let seed = 1; seed <= 20; seed++) {
    const world = createHosts(GROUPS, seed);
    world.settled();
    const leader = world.leaderOf('control');
    assert.ok(leader);
    leader.clock.pause();
    const began = world.clock.monotonic();
    const isReplaced = () =>
      [...world.hosts.values()].some(({ id, raft }) => id !== leader.id && raft.groups.get('control')?.status.serving);
    while (!isReplaced()) assert.ok(world.clock.monotonic() - began < 600 && world.clock.step(), `seed ${seed}`);
    leader.clock.resume();
    world.settled();
    world.stop();
  }
});

test('brokers beat in step: with the lowest that they hear, and each by itself when that is silent', () => {
  const world = createHosts(GROUPS, 3);
  world.settled();
  const beatsIn = (ms: number): Map<string, number[]> => {
    world.pulses.length = 0;
    const begin = world.clock.monotonic();
    const beats = new Map<string, number[]>();
    let seen = 0;
    while (world.clock.monotonic() < begin + ms && world.clock.step())
      for (; seen < world.pulses.length; seen++) {
        const from = world.pulses[seen]?.from ?? '';
        const at = Math.round(world.clock.monotonic());
        const known = beats.get(from) ?? [];
        if (known.at(-1) !== at) beats.set(from, [...known, at]);
      }
    return beats;
  };
  // One delay behind the lowest.
  const together = beatsIn(1_000);
  const [a = [], b = [], c = []] = ['a', 'b', 'c'].map((id) => together.get(id));
  const phase = (at: number | undefined) => (at ?? 0) % 50;
  assert.deepEqual([phase(b[3]), phase(c[3])], [(phase(a[3]) + 1) % 50, (phase(a[3]) + 1) % 50]);
  world.cut('a', 'b');
  world.cut('a', 'c');
  world.clock.advance(1_000);
  const alone = beatsIn(1_000);
  assert.ok((alone.get('b') ?? []).length >= 19, 'b keeps its own time');
  assert.ok((alone.get('c') ?? []).length >= 18, 'and c follows it');
  world.stop();
});

test('a stream that ends is no leader: followers wait for no longer than without one, closed or cut', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const world = createHosts(GROUPS, seed);
    world.settled();
    world.clock.advance(5_000);
    const leader = world.leaderOf('control');
    assert.ok(leader);
    for (const { id } of world.hosts.values()) {
      if (id === leader.id) continue;
      world.cut(leader.id, id);
      if (seed % 2 === 0) continue;
      world.host(id).raft.peerClosed(leader.id);
    }
    const began = world.clock.monotonic();
    const isReplaced = () =>
      [...world.hosts.values()].some(({ id, raft }) => id !== leader.id && raft.groups.get('control')?.status.serving);
    while (!isReplaced()) assert.ok(world.clock.monotonic() - began < 650 && world.clock.step(), `seed ${seed}`);
    world.stop();
  }
});

test('a group is told once that its leader is not vouched for any more: silent, left out, of another term, begun anew, or ended', () => {
  const clock = createVirtualClock();
  const told: string[] = [];
  const [a, b, c] = ['a', 'b', 'c'] as [BrokerId, BrokerId, BrokerId];
  const groups = new Map<GroupId, RaftGroup>(
    GROUPS.map((id) => [
      id,
      {
        ...createFakeRaft(id, [a, b, c], { apply() {} }),
        linkSilent: (leader, term, until) => void told.push(`${id} of ${leader} ${term} ${until}`),
      },
    ]),
  );
  const settings = { heartbeatMs: 50, electionMinMs: 250, electionMaxMs: 500, send: () => {} };
  const pulses = createPulses({ self: a, groups, clock, random: createRandom(1), ...settings });
  const taken = () => told.splice(0).sort();
  let seq = 0;
  const say = (session: number, version: number, lines: Pulse['lines']) =>
    pulses.receive(b, { kind: 'pulse', session, seq: ++seq, version, lines, commits: [0, 0, 0], heard: null });
  const watched = (group: GroupId, term: number) => pulses.news(b, group, term, 0).watched;
  const line = (group: GroupId, term: number) => ({ group, term });
  pulses.opened(b);

  say(1, 1, [line('control', 3), line('shard-0', 4), line('shard-1', 5)]);
  assert.deepEqual([watched('control', 3), watched('control', 2), watched('shard-2', 1)], [true, false, false]);
  clock.advance(100);
  say(1, 1, null);
  clock.advance(100);
  assert.deepEqual(taken(), [], 'it is heard');
  clock.advance(60);
  assert.deepEqual(taken(), ['control of b 3 100', 'shard-0 of b 4 100', 'shard-1 of b 5 100'], 'it is silent');
  assert.equal(watched('control', 3), false);
  clock.advance(300);
  assert.deepEqual(taken(), []);

  say(1, 2, [line('shard-0', 4), line('shard-1', 6)]);
  assert.deepEqual(taken(), ['control of b 3 -Infinity', 'shard-1 of b 5 -Infinity'], 'left out, and in another term');
  assert.ok(watched('shard-0', 4));
  say(2, 1, [line('shard-0', 4)]);
  assert.deepEqual(taken(), ['shard-1 of b 6 -Infinity'], 'another process speaks');
  clock.advance(40);
  say(2, 2, null);
  assert.deepEqual(taken(), ['shard-0 of b 4 560'], 'a list that is not known');
  say(2, 3, [line('shard-0', 4)]);
  clock.advance(40);
  pulses.closed(b);
  assert.deepEqual(taken(), ['shard-0 of b 4 600'], 'the stream has ended');
  assert.equal(watched('shard-0', 4), false);
  pulses.stop();
  say(3, 1, [line('shard-0', 4)]);
  assert.equal(watched('shard-0', 4), false, 'after its end it hears nothing');
  assert.equal(clock.pending, 0, 'and beats no more');
});

test('one group changes hands: those in which all is quiet keep their leaders', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const world = createHosts(GROUPS, seed);
    world.settled();
    for (const [at, group] of GROUPS.entries()) {
      world.clock.advance(10_000);
      const others = GROUPS.filter((other) => other !== group);
      const terms = others.map((other) => world.terms(other));
      const leader = world.leaderOf(group);
      const heirs = [...world.hosts.keys()].filter((id) => id !== leader?.id);
      const heir = heirs[at % 2];
      assert.ok(leader !== undefined && heir !== undefined);
      leader.clock.enter(() => leader.raft.groups.get(group)?.transfer(heir, () => {}));
      world.clock.advance(1_000);
      assert.equal(world.leaderOf(group)?.id, heir, `seed ${seed}`);
      assert.deepEqual(
        others.map((other) => world.terms(other)),
        terms,
        `seed ${seed}: ${group} was handed over`,
      );
    }
    world.stop();
  }
});

test('without the hint of closed connections a link that flaps costs no election, and one that stays closed is waited for as any silence', () => {
  for (let seed = 1; seed <= 10; seed++) {
    const world = createHosts(GROUPS, seed, { closedConnectionHint: false });
    world.settled();
    world.clock.advance(20_000);
    const terms = GROUPS.map((group) => world.terms(group));
    const pairs = [
      ['a', 'b'],
      ['a', 'c'],
      ['b', 'c'],
    ] as const;
    world.sent.length = 0;
    for (const [left, right] of pairs) world.close(left, right);
    world.clock.advance(100);
    for (const [left, right] of pairs) world.open(left, right);
    world.clock.advance(2_000);
    assert.deepEqual(
      GROUPS.map((group) => world.terms(group)),
      terms,
      `seed ${seed}`,
    );
    assert.equal(world.sent.filter(({ envelope }) => envelope.message.type === 'preVote').length, 0, `seed ${seed}`);
    world.stop();
  }
});

test('a closed connection is followed at once', () => {
  const world = createHosts(['control'], 3);
  world.settled();
  const leader = world.leaderOf('control')?.id ?? '';
  for (const { id } of world.hosts.values()) {
    if (id === leader) continue;
    world.cut(leader, id);
    world.cut(id, leader);
    world.close(leader, id);
  }
  world.clock.advance(60);
  const others = [...world.hosts.values()].filter(({ id }) => id !== leader);
  assert.ok(others.some(({ raft }) => raft.groups.get('control')?.status.serving));
  world.stop();
});

test('a leader that hears no answers steps down, though its pulses arrive', () => {
  const world = createHosts(['control'], 4);
  world.settled();
  const leader = world.leaderOf('control');
  assert.ok(leader);
  for (const { id } of world.hosts.values()) if (id !== leader.id) world.cut(id, leader.id);
  world.clock.advance(800);
  assert.notEqual(leader.raft.groups.get('control')?.status.role, 'leader');
  world.stop();
});

test('news of a commit that was lost comes with the next beats', () => {
  const world = createHosts(['control'], 5);
  world.settled();
  const leader = world.leaderOf('control');
  assert.ok(leader);
  world.traffic.loses = ({ message }) => message.type === 'heartbeat';
  leader.raft.groups.get('control')?.propose(new Uint8Array(10), 1_000, () => {});
  world.clock.advance(40);
  const commits = () => [...world.hosts.values()].map(({ raft }) => raft.groups.get('control')?.status.commit);
  assert.notEqual(new Set(commits()).size, 1, 'the followers have not heard of it');
  world.traffic.loses = () => false;
  world.clock.advance(300);
  assert.equal(new Set(commits()).size, 1);
  world.stop();
});

test('entries that were lost are sent again, though the broker vouches for its member', () => {
  const world = createHosts(['control'], 6);
  world.settled();
  const leader = world.leaderOf('control');
  assert.ok(leader);
  world.traffic.loses = ({ message }) => message.type === 'append';
  leader.raft.groups.get('control')?.propose(new Uint8Array(10), 5_000, () => {});
  world.clock.advance(40);
  world.traffic.loses = () => false;
  world.clock.advance(1_000);
  const last = [...world.hosts.values()].map(({ raft }) => raft.groups.get('control')?.status);
  assert.equal(new Set(last.map((status) => status?.commit)).size, 1);
  assert.equal(last[0]?.commit, last[0]?.lastIndex);
  world.stop();
});

test('a broker that stood still does not take its own silence for its leaders’', () => {
  const world = createHosts(['control'], 7);
  world.settled();
  const terms = world.terms('control');
  const leader = world.leaderOf('control');
  for (const { id, clock } of world.hosts.values()) {
    if (id === leader?.id) continue;
    world.sent.length = 0;
    // What came meanwhile is read a moment after the timers have fired, as by a real process.
    const resumesAt = world.clock.monotonic() + 3_000;
    world.traffic.delay = (_from, to) => (to === id ? Math.max(0, resumesAt - world.clock.monotonic()) : 0) + 1;
    clock.pause();
    world.clock.advance(3_000);
    clock.resume();
    world.clock.advance(1_000);
    assert.equal(world.sent.filter(({ envelope }) => envelope.message.type === 'preVote').length, 0);
  }
  assert.deepEqual(world.terms('control'), terms);
  world.stop();
});

test('where pulses come in jerks, no leader is deposed once that is known', () => {
  const world = createHosts(GROUPS, 8);
  const random = createRandom(8);
  world.settled();
  let until = 0;
  // Now and then nothing arrives for a while, then all of it: as from a process that waits for a processor.
  world.traffic.delay = () => {
    if (world.clock.monotonic() > until && random.next() < 0.003)
      until = world.clock.monotonic() + random.integer(400, 480);
    return Math.max(1, until - world.clock.monotonic());
  };
  world.clock.advance(20_000);
  world.settled();
  const terms = GROUPS.map((group) => world.terms(group));
  world.clock.advance(60_000);
  assert.deepEqual(
    GROUPS.map((group) => world.terms(group)),
    terms,
  );
  world.stop();
});

test('what an earlier process said, and pulses out of order, count for nothing', () => {
  const world = createHosts(['control'], 9);
  world.settled();
  const leader = world.leaderOf('control');
  const follower = [...world.hosts.values()].find(({ id }) => id !== leader?.id);
  assert.ok(leader && follower);
  const last = world.pulses.findLast(({ from, to }) => from === leader.id && to === follower.id)?.pulse;
  assert.ok(last);
  leader.clock.pause();
  const began = world.clock.monotonic();
  // The same pulse again and again must not keep the dead leader alive.
  while (world.clock.monotonic() - began < 700) {
    follower.clock.enter(() => follower.raft.pulse(leader.id, last));
    world.clock.advance(50);
  }
  assert.notEqual(follower.raft.groups.get('control')?.status.leader, leader.id);
  world.stop();
});

test('a stranger’s pulse does no harm', () => {
  const world = createHosts(['control'], 10);
  world.settled();
  const { raft } = world.host('a');
  const status = raft.groups.get('control')?.status;
  raft.pulse('nobody' as BrokerId, {
    kind: 'pulse',
    session: 5,
    seq: 1,
    version: 3,
    lines: [{ group: 'control', term: 99 }],
    commits: [],
    heard: { session: 1, seq: 1, version: 1, refused: ['shard-9'] },
  });
  assert.deepEqual(raft.groups.get('control')?.status, status);
  world.stop();
});

test.run();
