// Links between brokers: who dials whom, what is refused, and what the rest of a broker is told.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import type { BrokerId, ClusterId } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import type { PeerHello, PeerMessage, RaftEnvelope } from '../../src/streams/envelope.ts';
import { createMemoryWirePair } from '../../src/streams/memory-wire.ts';
import { createPeerNetwork, type PeerNode } from '../support/peer-network.ts';

const A = 'a' as BrokerId;
const B = 'b' as BrokerId;
const heartbeat = (from: BrokerId, to: BrokerId): RaftEnvelope => ({
  group: 'control',
  message: { type: 'heartbeat', from, to, term: 1, commit: 0, round: 1 },
  entries: [],
});
const append = (from: BrokerId, to: BrokerId, bytes: number): RaftEnvelope => ({
  group: 'shard-0',
  message: { type: 'append', from, to, term: 1, prevIndex: 0, prevTerm: 0, lastIndex: 0, runs: [], commit: 0, bytes },
  entries: [],
});

test('two brokers link up over one stream, dialled by the one whose id sorts first', () => {
  const network = createPeerNetwork(['a', 'b']);
  const a = network.start('a');
  const b = network.start('b');
  network.clock.advance(100);
  assert.equal(a.state('b'), 'up');
  assert.equal(b.state('a'), 'up');
  assert.deepEqual(a.events, ['opened b']);
  assert.deepEqual(b.events, ['opened a']);
  assert.deepEqual(
    a.peers.views.map(({ httpAddress, incarnation }) => [httpAddress, incarnation]),
    [['http-b', 'b-1']],
  );
  a.peers.send(B, { kind: 'beats', hosts: [], relay: false });
  b.peers.send(A, { kind: 'leads', shards: [] });
  network.clock.advance(5);
  assert.deepEqual(a.events, ['opened b', 'b: leads']);
  assert.deepEqual(b.events, ['opened a', 'a: beats']);
  const streams = a.dials.length;
  network.clock.advance(60_000);
  assert.equal(a.dials.length, streams, 'a link that stands is not dialled again');
});

test('a broker that comes back is linked within milliseconds, whichever side dials: it knocks', () => {
  for (const returning of ['a', 'b']) {
    const network = createPeerNetwork(['a', 'b']);
    let nodes: readonly PeerNode[] = [network.start('a'), network.start('b')];
    network.clock.advance(100);
    const [gone, other] = returning === 'a' ? nodes : nodes.toReversed();
    assert.ok(gone !== undefined && other !== undefined);
    network.kill(gone);
    network.clock.advance(5);
    assert.deepEqual(other.events, [`opened ${returning}`, `closed ${returning}`]);
    network.clock.advance(30_000);
    assert.equal(other.state(returning), 'down');
    nodes = [network.start(returning)];
    network.clock.advance(20);
    assert.equal(other.state(returning), 'up', `${returning} is back`);
    assert.equal(nodes[0]?.state(other.id), 'up');
  }
});

test('attempts come later and later, each at most half a second after the one before', () => {
  const network = createPeerNetwork(['a', 'b']);
  const a = network.start('a');
  network.clock.advance(60_000);
  const gaps = a.dials.map(({ at }, n) => at - (a.dials[n - 1]?.at ?? 0)).slice(1);
  assert.ok(
    gaps.slice(0, 3).every((gap) => gap <= 80 + 2),
    `${gaps}`,
  );
  assert.ok(
    gaps.every((gap) => gap <= limits.peers.redialMaxMs + 2),
    `${gaps}`,
  );
  assert.ok(a.dials.length > 60 && a.dials.length < 400, `${a.dials.length} attempts in a minute`);
  assert.equal(a.state('b'), 'down');
});

test('silence makes a link suspect, then down; traffic brings it back; only a broken stream is told as closed', () => {
  const network = createPeerNetwork(['a', 'b']);
  const a = network.start('a');
  const b = network.start('b');
  network.clock.advance(100);
  network.silence(a, b);
  network.clock.advance(4_000);
  assert.equal(a.state('b'), 'suspect');
  network.clock.advance(8_000);
  assert.equal(a.state('b'), 'down');
  network.hear(a, b);
  b.peers.send(A, { kind: 'leads', shards: [] });
  network.clock.advance(501);
  assert.equal(a.state('b'), 'up');
  assert.deepEqual(a.events, ['opened b', 'b: leads']);
  network.kill(b);
  network.clock.advance(5);
  assert.deepEqual(a.events, ['opened b', 'b: leads', 'closed b']);
});

test('who does not belong is refused, and told why', () => {
  const cases: readonly (readonly [Partial<PeerHello>, RegExp])[] = [
    [{ protocol: 2 } as Partial<PeerHello>, /b speaks peer protocol 2, a speaks 1/],
    [{ founding: 'other' }, /a and b were started with different --peers, --shards or --replicas/],
    [
      { cluster: 'c2' as ClusterId },
      /a belongs to cluster c1, b to cluster c2|b belongs to cluster c2, a to cluster c1/,
    ],
  ];
  for (const [hello, reason] of cases) {
    const network = createPeerNetwork(['a', 'b']);
    const a = network.start('a', { hello: { cluster: 'c1' as ClusterId } });
    const b = network.start('b', { hello });
    network.clock.advance(2_000);
    assert.equal(a.state('b'), 'connecting');
    assert.equal(b.state('a'), 'connecting');
    const said = [...a.warnings, ...b.warnings].join('\n');
    assert.match(said, reason.source.includes('protocol') ? /speaks peer protocol/ : reason);
    assert.ok(a.refused.length > 0 && b.refused.length > 0, 'each of two is the half that the other one refuses');
    assert.equal(a.refused[0]?.code, 'FAILED_PRECONDITION');
    assert.ok(a.warnings.length <= 4 && b.warnings.length <= 4, 'what was said is not said again at each attempt');
  }
});

test('a broker founded otherwise ends, whatever its place in the alphabet, and the others go on', () => {
  for (const wrong of ['a', 'b', 'c']) {
    const network = createPeerNetwork(['a', 'b', 'c']);
    const nodes = ['a', 'b', 'c'].map((id) => network.start(id, id === wrong ? { hello: { founding: 'x' } } : {}));
    network.clock.advance(2_000);
    for (const node of nodes) {
      if (node.id === wrong) assert.match(node.refused[0]?.message ?? '', /different --peers, --shards or --replicas/);
      else assert.deepEqual(node.refused, [], `${node.id} goes on without ${wrong}`);
    }
  }
});

test('the newer of two brokers with one id is refused by all and ends; the older goes on', () => {
  for (const double of ['a', 'b', 'c']) {
    const network = createPeerNetwork(['a', 'b', 'c']);
    const nodes = ['a', 'b', 'c'].map((id) => network.start(id));
    network.clock.advance(1_000);
    const second = network.start(double, { address: 'elsewhere' });
    network.clock.advance(2_000);
    assert.match(second.refused[0]?.message ?? '', new RegExp(`two brokers have the id ${double}`));
    for (const node of nodes) {
      assert.deepEqual(node.refused, []);
      assert.ok(!node.events.some((event) => event.startsWith('closed')), `${node.id} keeps its links`);
    }
  }
});

test('one that was welcome goes on when another comes back with other settings', () => {
  const network = createPeerNetwork(['a', 'b']);
  const a = network.start('a');
  const b = network.start('b');
  network.clock.advance(1_000);
  network.kill(b);
  const wrong = network.start('b', { hello: { founding: 'x' } });
  network.clock.advance(5_000);
  assert.deepEqual(a.refused, []);
  assert.ok(wrong.refused.length > 0);
});

test('a refusal is forgotten when the one who spoke it is replaced', () => {
  const network = createPeerNetwork(['a', 'b', 'c', 'd', 'e']);
  const wrong = { hello: { founding: 'x' } };
  const a = network.start('a');
  const b = network.start('b', wrong);
  network.start('c', wrong);
  network.clock.advance(2_000);
  assert.deepEqual(a.refused, [], 'two of four');
  network.kill(b);
  network.start('b');
  network.clock.advance(2_000);
  assert.equal(a.state('b'), 'up');
  network.start('d', wrong);
  network.clock.advance(2_000);
  assert.deepEqual(a.refused, [], 'still two of four');
  network.start('e', wrong);
  network.clock.advance(2_000);
  assert.ok(a.refused.length > 0, 'three of four');
});

test('addresses of others, strangers, and oneself are told apart', () => {
  const network = createPeerNetwork(['a', 'b', 'c']);
  const a = network.start('a', { members: ['a', 'b=c', 'c=a'] });
  const c = network.start('c');
  network.start('z', { members: ['a', 'b', 'z'] });
  network.clock.advance(3_000);
  const said = [...a.warnings, ...c.warnings].join('\n');
  assert.match(said, /b was expected at c, not c: check --peers/);
  assert.match(said, /a was called by itself: --peers gives another broker the address of a/);
  assert.match(said, /z is not among the peers of a: a, b, c/);
});

test('a newer stream of the same broker replaces the old one, and the groups are told', () => {
  const network = createPeerNetwork(['a', 'b']);
  const b = network.start('b');
  const hello: PeerHello = {
    kind: 'hello',
    protocol: 1,
    broker: A,
    incarnation: 'a-1',
    cluster: '',
    founding: 'f',
    grpcAddress: 'a',
    httpAddress: 'h',
    zone: '',
    membersAt: 0,
    boot: 'b1',
  };
  const call = () => {
    const wires = createMemoryWirePair<PeerMessage>(network.clock);
    const heard: string[] = [];
    wires.a.inbox.subscribe({ next: ({ kind }) => heard.push(kind), complete: () => heard.push('end') });
    b.accepted.next({ remoteAddress: 'x:1', wire: wires.b });
    return { outbox: wires.a.outbox, heard };
  };
  const first = call();
  first.outbox.next(hello);
  network.clock.advance(5);
  const second = call();
  second.outbox.next(hello);
  network.clock.advance(5);
  assert.deepEqual(first.heard, ['hello', 'end']);
  assert.deepEqual(second.heard, ['hello']);
  assert.deepEqual(b.events, ['opened a', 'closed a', 'opened a']);
  for (let n = 0; n < limits.peers.strangersMax; n++) {
    call().outbox.next({ ...hello, broker: 'z' as BrokerId });
    network.clock.advance(5);
  }
  assert.deepEqual(b.warnings.splice(0), ['refused a peer at x:1: z is not among the peers of b: a, b']);
  second.outbox.next({ kind: 'beats', hosts: [], relay: false });
  second.outbox.next({ ...hello, incarnation: 'a-2' });
  network.clock.advance(5);
  assert.deepEqual(b.events, ['opened a', 'closed a', 'opened a', 'a: beats', 'closed a']);
  assert.match(b.warnings.join(), /two brokers have the id a/);
});

test('who has learned of its cluster says so to those that it has links to', () => {
  const network = createPeerNetwork(['a', 'b', 'c']);
  const said = { cluster: '' as ClusterId | '' };
  const [a, b, c] = [network.start('a'), network.start('b', { hello: said }), network.start('c')];
  network.clock.advance(100);
  const heard = (node: PeerNode) => node.peers.views.find(({ id }) => id === B)?.cluster;
  let changes = 0;
  a.peers.changes.subscribe(() => changes++);
  assert.deepEqual([heard(a), heard(c)], ['', '']);
  said.cluster = 'c1' as ClusterId;
  b.peers.sayAgain();
  network.clock.advance(5);
  assert.deepEqual([heard(a), heard(c), changes], ['c1', 'c1', 1]);
  assert.deepEqual([a.events, a.warnings], [['opened c', 'opened b'].toSorted(), []]);
});

test('another process of one data directory: the one that is connected stays, as long as it is heard', () => {
  const network = createPeerNetwork(['a', 'b']);
  const b = network.start('b');
  const hello: PeerHello = {
    kind: 'hello',
    protocol: 1,
    broker: A,
    incarnation: 'a-1',
    cluster: '',
    founding: 'f',
    grpcAddress: 'a',
    httpAddress: 'h',
    zone: '',
    membersAt: 0,
    boot: 'first',
  };
  const call = (boot: string, change: Partial<PeerHello> = {}) => {
    const wires = createMemoryWirePair<PeerMessage>(network.clock);
    const heard: string[] = [];
    wires.a.inbox.subscribe({
      next: (message) => heard.push(message.kind === 'refusal' ? `${message.code}: ${message.reason}` : message.kind),
    });
    b.accepted.next({ remoteAddress: 'x:1', wire: wires.b });
    wires.a.outbox.next({ ...hello, boot, ...change });
    network.clock.advance(5);
    return { outbox: wires.a.outbox, heard };
  };
  const first = call('first');
  assert.match(call('second').heard.join(), /^UNAVAILABLE: another process is connected to b as a, with the same data/);
  network.clock.advance(limits.peers.suspectAfterMs - 100);
  first.outbox.next({ kind: 'beats', hosts: [], relay: false });
  network.clock.advance(limits.peers.suspectAfterMs - 100);
  assert.match(call('second').heard.join(), /^UNAVAILABLE/);
  assert.equal(b.state('a'), 'up');
  network.clock.advance(limits.peers.suspectAfterMs);
  assert.deepEqual(call('second').heard, ['hello'], 'the first is silent: it may have been killed with its machine');

  const moved = call('third', { grpcAddress: 'elsewhere' });
  assert.match(moved.heard.join(), /^UNAVAILABLE/);
  network.clock.advance(limits.peers.suspectAfterMs);
  assert.match(
    call('third', { grpcAddress: 'elsewhere' }).heard.join(),
    /^ALREADY_EXISTS: a is known to b at a, not at elsewhere: is its data directory a copy\?/,
  );
});

test('members come and go: links begin and end, and who was removed is told so and ends', () => {
  const network = createPeerNetwork(['a', 'b', 'c']);
  const cluster = { hello: { cluster: 'c1' as ClusterId } };
  const [a, b] = ['a', 'b'].map((id) => network.start(id, { ...cluster, members: ['a', 'b'] }));
  assert.ok(a !== undefined && b !== undefined);
  network.clock.advance(1_000);
  const c = network.start('c', cluster);
  network.clock.advance(2_000);
  assert.deepEqual([a.state('c'), c.refused], [undefined, []], 'not heard of yet: that may pass');
  assert.match(a.warnings.join(), /refused a peer at c:1: c is no member of the cluster, as far as a knows/);
  const members = (...ids: string[]) => new Map(ids.map((id) => [id as BrokerId, id]));
  for (const node of [a, b]) node.peers.setMembers(members('a', 'b', 'c'));
  network.clock.advance(2_000);
  assert.deepEqual([a.state('c'), b.state('c'), c.state('a')], ['up', 'up', 'up']);

  a.events.splice(0);
  for (const node of [a, b]) node.peers.setMembers(members('a', 'b'));
  network.clock.advance(100);
  assert.deepEqual([a.events, a.state('c')], [['closed c'], undefined]);
  assert.match(c.warnings.join(), /ended the link: c is no member of the cluster any more/);
  assert.equal(c.refused.length, 0, 'not at the first word');
  network.clock.advance(limits.peers.refusalPatienceMs + 3_000);
  assert.match(c.refused[0]?.message ?? '', /^c was removed from the cluster/);
  assert.deepEqual([a.refused, b.refused], [[], []]);
});

test('who knows the newer list of members is right: a broker that was away takes in whom it does not know', () => {
  const network = createPeerNetwork(['a', 'b', 'c', 'z']);
  const at = (membersAt: number) => ({ hello: { cluster: 'c1' as ClusterId, membersAt } });
  // Both ways of calling: a dials, z is dialled.
  const away = network.start('b', { ...at(3), members: ['b', 'gone'] });
  const [a, z] = ['a', 'z'].map((id) => network.start(id, { ...at(9), members: ['a', 'b', 'z'] }));
  network.clock.advance(2_000);
  assert.deepEqual([away.state('a'), away.state('z'), a?.state('b'), z?.state('b')], ['up', 'up', 'up', 'up']);

  const removed = network.start('c', { ...at(3), members: ['a', 'b', 'c', 'z'] });
  network.clock.advance(2_000);
  assert.deepEqual([a?.state('c'), z?.state('c')], [undefined, undefined], 'whose list is the older one is not');
  network.clock.advance(limits.peers.refusalPatienceMs + 3_000);
  assert.match(removed.refused[0]?.message ?? '', /^c was removed from the cluster/);
});

test('whoever says to know better is taken in only while there is room', () => {
  const network = createPeerNetwork(['b']);
  const cluster = 'c1' as ClusterId;
  const b = network.start('b', { hello: { cluster } });
  const { brokersMax } = limits.peers;
  const callers = Array.from({ length: brokersMax + 2 }, (_, n) =>
    network.start(`c${n}`, { hello: { cluster, membersAt: 9 }, members: ['b', `c${n}`] }),
  );
  network.clock.advance(1_000);
  assert.equal(b.peers.views.length, brokersMax);
  assert.equal(callers.filter((caller) => caller.state('b') === 'up').length, brokersMax);
  assert.match(b.warnings.join(), /refused a peer at c\d+:1: b has links to 32 brokers already/);
  assert.deepEqual(
    callers.flatMap(({ refused }) => refused),
    [],
    'that may pass',
  );
});

test('a member at another address is dialled there', () => {
  const network = createPeerNetwork(['a', 'b']);
  const a = network.start('a', { members: ['a', 'b=old'] });
  network.clock.advance(500);
  network.start('b', { address: 'new', members: ['a', 'b=new'] });
  network.clock.advance(500);
  assert.notEqual(a.state('b'), 'up');
  a.peers.setMembers(
    new Map([
      ['a', 'a'],
      ['b', 'new'],
    ] as [BrokerId, string][]),
  );
  network.clock.advance(500);
  assert.equal(a.state('b'), 'up');
});

test('whoever says nothing, or something else first, is not kept', () => {
  const network = createPeerNetwork(['a', 'b']);
  const b = network.start('b');
  const callers = Array.from({ length: limits.peers.strangersMax + 1 }, (_, n) => {
    const wires = createMemoryWirePair<PeerMessage>(network.clock);
    const heard: PeerMessage[] = [];
    let over = false;
    wires.a.inbox.subscribe({
      next: (message) => heard.push(message),
      complete: () => {
        over = true;
      },
    });
    b.accepted.next({ remoteAddress: `caller-${n}:1`, wire: wires.b });
    return { wires, heard, isOver: () => over };
  });
  network.clock.advance(5);
  const last = callers.at(-1);
  assert.ok(last !== undefined && last.isOver());
  assert.deepEqual(
    last.heard.map((message) => message.kind === 'refusal' && message.code),
    ['RESOURCE_EXHAUSTED'],
  );
  callers[0]?.wires.a.outbox.next({ kind: 'beats', hosts: [], relay: false });
  network.clock.advance(5);
  assert.ok(callers[0]?.isOver());
  assert.ok(!callers[1]?.isOver());
  network.clock.advance(limits.peers.helloTimeoutMs);
  assert.ok(callers.every(({ isOver }) => isOver()));
  assert.deepEqual(b.events, []);
});

test('Raft messages of one turn leave as one frame for each peer, a few when there is much', () => {
  const network = createPeerNetwork(['a', 'b', 'c']);
  const [a, b] = ['a', 'b', 'c'].map((id) => network.start(id));
  assert.ok(a !== undefined && b !== undefined);
  network.clock.advance(100);
  const frames: number[] = [];
  b.peers.messages.subscribe(({ message }) => {
    if (message.kind === 'raft') frames.push(message.envelopes.length);
  });
  const turn = (send: () => void) => {
    frames.length = 0;
    network.travelled.length = 0;
    send();
    network.clock.advance(5);
    return frames;
  };
  assert.deepEqual(
    turn(() => {
      for (let n = 0; n < 33; n++) {
        a.peers.sendRaft(B, heartbeat(A, B));
        a.peers.sendRaft('c' as BrokerId, heartbeat(A, 'c' as BrokerId));
      }
    }),
    [33],
  );
  assert.deepEqual(network.travelled, ['a→b raft', 'a→c raft']);
  const { frameBytes, outboxBytesMax } = limits.peers;
  assert.deepEqual(
    turn(() => {
      a.peers.sendRaft(B, append(A, B, frameBytes / 2));
      a.peers.sendRaft(B, heartbeat(A, B));
      a.peers.sendRaft(B, append(A, B, frameBytes / 2));
      a.peers.sendRaft(B, append(A, B, 1));
      a.peers.sendRaft(B, append(A, B, 3 * frameBytes));
      a.peers.sendRaft(B, heartbeat(A, B));
    }),
    [3, 1, 1, 1],
  );
  assert.equal(a.peers.dropped, 0);
  const sent = turn(() => {
    for (let n = 0; n <= outboxBytesMax / frameBytes; n++) a.peers.sendRaft(B, append(A, B, frameBytes));
    a.peers.sendRaft(B, heartbeat(A, B));
  });
  assert.equal(
    sent.reduce((sum, envelopes) => sum + envelopes, 0),
    outboxBytesMax / frameBytes + 1,
    'what is too much is dropped, heartbeats are not',
  );
  assert.equal(a.peers.dropped, 1);
});

test('without a link nothing is kept for later', () => {
  const network = createPeerNetwork(['a', 'b']);
  const a = network.start('a');
  a.peers.send(B, { kind: 'beats', hosts: [], relay: false });
  a.peers.sendRaft(B, heartbeat(A, B));
  const b = network.start('b');
  network.clock.advance(100);
  assert.deepEqual(b.events, ['opened a']);
  a.peers.sendRaft(B, heartbeat(A, B));
  network.kill(b);
  network.clock.advance(5);
  const again = network.start('b');
  network.clock.advance(100);
  assert.deepEqual(again.events, ['opened a']);
});

test('after it was stopped a broker neither calls nor answers', () => {
  const network = createPeerNetwork(['a', 'b']);
  const a = network.start('a');
  const b = network.start('b');
  network.clock.advance(100);
  a.peers.stop();
  network.clock.advance(100);
  assert.deepEqual(b.events, ['opened a', 'closed a']);
  const dials = a.dials.length;
  network.clock.advance(10_000);
  assert.equal(a.dials.length, dials);
  assert.deepEqual(a.events, ['opened b']);
  const wires = createMemoryWirePair<PeerMessage>(network.clock);
  const heard: PeerMessage[] = [];
  wires.b.inbox.subscribe((message) => heard.push(message));
  wires.a.inbox.subscribe((message) => heard.push(message));
  a.accepted.next({ remoteAddress: 'late:1', wire: wires.b });
  wires.a.outbox.next({ kind: 'beats', hosts: [], relay: false });
  network.clock.advance(100);
  assert.deepEqual(
    heard.map(({ kind }) => kind),
    ['beats'],
    'nothing comes back',
  );
});

test.run();
