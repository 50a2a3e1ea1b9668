// The links to all other brokers: who they are is checked before anything else is said.
//
//   dialling side ── hello ──▶          each side checks the other's hello: protocol, cluster, founding settings, identity.
//                  ◀── hello ──         What does not fit is refused with a reason, and the stream ends.
//        either ── hello ──▶          Later: what it says of itself has changed. It is checked again.
//
//   The side that is to be dialled knocks: the same exchange, after which the stream ends, and the other side dials.
//
// Invariants
//   1. At most one stream per pair. A newer one from the same incarnation replaces the old; from another it is refused: two
//      processes under one id must not both be believed.
//   2. Raft messages of one turn of the loop leave together: as one frame per peer, or a few when there is much.
//   3. Two processes of one data directory (a copy, or the next start before the end of the one before was noticed) are told apart by
//      the name that each draws at its start. The one that is connected stays, as long as it is heard.
import { Subject } from 'rxjs';
import { describeError } from '../../core/errors.ts';
import type { BrokerId, Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { type PeerLinkEffect, type PeerLinkEvent, peerLinkMachine } from '../../machines/peer-link.ts';
import type { Timer } from '../../streams/clock.ts';
import type { PeerHello, PeerMessage } from '../../streams/envelope.ts';
import { statePaths } from '../../streams/inspector.ts';
import { backoffDelay } from '../../streams/retry.ts';
import { type Running, runMachine } from '../../streams/run-machine.ts';
import type { Wire } from '../../streams/wire.ts';
import { type Objection, objectionTo, PEER_PROTOCOL } from './greeting.ts';
import type { Peers, PeersPorts, PeerView } from './peer-interface.ts';
import { createPeerDoor } from './peer-door.ts';
import { openPeerStream, type PeerStream } from './peer-stream.ts';
import { createRefusals } from './refusals.ts';
import { repeat } from './repeat.ts';
import { createRaftOutbox, type RaftOutbox } from './raft-outbox.ts';

type Machine = Running<{ readonly value: unknown }, PeerLinkEvent>;
type Told = PeerLinkEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'at'> : never) : never;

interface Link {
  readonly id: BrokerId;
  readonly grpcAddress: string;
  machine: Machine | null;
  stream: PeerStream | null;
  knock: PeerStream | null;
  retry: Timer | null;
  /** What it said of itself last. */
  said: Pick<PeerHello, 'incarnation' | 'boot' | 'httpAddress' | 'zone'> & { readonly cluster: PeerView['cluster'] };
  heardAt: Millis;
}

const { suspectAfterMs, downAfterMs, steadyAfterMs, tickMs, helloTimeoutMs, strangersMax, brokersMax } = limits.peers;
const REDIAL = { baseMs: limits.peers.redialBaseMs, maxMs: limits.peers.redialMaxMs };

export function createPeers(ports: PeersPorts): Peers {
  const { self, clock, random, transport, warn } = ports;
  let { members } = ports;
  const messages = new Subject<{ readonly from: BrokerId; readonly message: PeerMessage }>();
  const opened = new Subject<BrokerId>();
  const closed = new Subject<BrokerId>();
  const changes = new Subject<void>();
  const links = new Map<BrokerId, Link>();
  const refusals = createRefusals(self, () => links.size, warn);
  let stopped = false;

  const outbox: RaftOutbox = createRaftOutbox(clock, (to, envelopes) => send(to, { kind: 'raft', envelopes }));
  const sayHello = (): PeerHello => ({ kind: 'hello', protocol: PEER_PROTOCOL, ...ports.hello() });

  function createLink(id: BrokerId, grpcAddress: string): Link {
    const link: Link = {
      id,
      grpcAddress,
      machine: null,
      stream: null,
      knock: null,
      retry: null,
      said: { incarnation: '', boot: '', httpAddress: '', zone: '', cluster: null },
      heardAt: 0,
    };
    let told = '';
    link.machine = runMachine<typeof peerLinkMachine, PeerLinkEffect>(peerLinkMachine, {
      id: `${self}/peer/${id}`,
      kind: 'peer',
      input: { dials: self < id, suspectAfterMs, downAfterMs, steadyAfterMs },
      clock,
      inspector: ports.inspector,
      onEffect: (effect) => carryOut(link, effect),
      onStep: ({ value }) => {
        if (statePaths(value) === told) return;
        told = statePaths(value);
        changes.next();
      },
    });
    return link;
  }

  function tell(link: Link, event: Told): void {
    link.machine?.send({ ...event, at: clock.monotonic() });
  }

  function carryOut(link: Link, effect: PeerLinkEffect): void {
    switch (effect.type) {
      case 'dial':
        return dial(link);
      case 'knock':
        return knock(link);
      case 'scheduleRetry':
        return retryLater(link, effect.params.failures);
      case 'announceOpened':
        opened.next(link.id);
        return;
      case 'announceClosed':
        closed.next(link.id);
        return;
    }
  }

  function retryLater(link: Link, failures: number): void {
    link.retry?.cancel();
    const delay = failures === 0 ? 0 : backoffDelay(failures, REDIAL, random);
    link.retry = clock.after(delay, () => tell(link, { type: 'retry.due' }));
  }

  function open(wire: Wire<PeerMessage>, heard: (message: PeerMessage) => void, ended: () => void): PeerStream {
    return openPeerStream({ wire, clock, helloTimeoutMs, heard, ended });
  }

  function dial(link: Link): void {
    if (link.stream !== null) return;
    const stream = open(
      transport.dial(link.grpcAddress),
      (message) => (stream.greeted ? receive(link, stream, message) : greet(message)),
      () => lose(link, stream),
    );
    const greet = (message: PeerMessage) => {
      const hello = helloOf(link, stream, message);
      if (hello === null) lose(link, stream);
      else establish(link, stream, hello);
    };
    link.stream = stream;
    stream.send(sayHello());
  }

  /** Whether the other one is there, and whether this broker is welcome: so that it learns why it is not dialled. */
  function knock(link: Link): void {
    if (link.knock !== null) return;
    const over = () => {
      link.knock?.end();
      link.knock = null;
      tell(link, { type: 'failed' });
    };
    const stream = open(
      transport.dial(link.grpcAddress),
      (message) => {
        const hello = helloOf(link, stream, message);
        if (hello !== null) learn(link, hello);
        over();
      },
      over,
    );
    link.knock = stream;
    stream.send(sayHello());
  }

  /** The answer to this broker's hello; null: one of the two does not want the other. */
  function helloOf(link: Link, stream: PeerStream, answer: PeerMessage): PeerHello | null {
    if (answer.kind === 'refusal') noteRefusal(link.id, answer);
    if (answer.kind !== 'hello') return null;
    const objection = objectionTo(answer, { mine: sayHello(), members, called: link.id, connected: null });
    if (objection === null) return answer;
    stream.send({ kind: 'refusal', ...objection });
    noteRefusal(link.id, objection);
    return null;
  }

  function learn(link: Link, hello: PeerHello): void {
    refusals.welcomed(link.id);
    link.said = hello;
  }

  function establish(link: Link, stream: PeerStream, hello: PeerHello): void {
    stream.greet();
    learn(link, hello);
    link.heardAt = clock.monotonic();
    tell(link, { type: 'established' });
    changes.next();
  }

  function lose(link: Link, stream: PeerStream): void {
    stream.end();
    link.stream = null;
    tell(link, { type: stream.greeted ? 'lost' : 'failed' });
  }

  function receive(link: Link, stream: PeerStream, message: PeerMessage): void {
    link.heardAt = clock.monotonic();
    if (message.kind === 'hello') return learnAgain(link, stream, message);
    if (message.kind !== 'refusal') {
      messages.next({ from: link.id, message });
      return;
    }
    noteRefusal(link.id, message);
    warn(`${link.id} ended the link: ${message.reason}`);
    lose(link, stream);
  }

  /** What it says of itself has changed: it knows its cluster by now. */
  function learnAgain(link: Link, stream: PeerStream, hello: PeerHello): void {
    const objection = objectionTo(hello, { mine: sayHello(), members, called: link.id, connected: link.said });
    if (objection === null) {
      learn(link, hello);
      changes.next();
      return;
    }
    stream.send({ kind: 'refusal', ...objection });
    noteRefusal(link.id, objection);
    lose(link, stream);
  }

  /** A stream that another broker opened: its hello decides whose it is. */
  function welcome(stream: PeerStream, hello: PeerHello): Link | null {
    const link = links.get(hello.broker) ?? take(hello);
    if (self < link.id) {
      learn(link, hello);
      stream.send(sayHello());
      stream.end();
      tell(link, { type: 'knocked' });
      return null;
    }
    if (link.stream !== null) lose(link, link.stream);
    link.stream = stream;
    stream.send(sayHello());
    establish(link, stream, hello);
    return link;
  }

  /** A member by a newer list than the one that is known here, until that comes. */
  function take({ broker, grpcAddress }: PeerHello): Link {
    members = new Map([...members, [broker, grpcAddress]]);
    const link = createLink(broker, grpcAddress);
    links.set(broker, link);
    return link;
  }

  function objectionToCaller(hello: PeerHello): Objection | null {
    const link = links.get(hello.broker);
    const isHeard = link?.stream?.greeted === true && clock.monotonic() - link.heardAt < suspectAfterMs;
    const connected = isHeard ? link.said : null;
    const objection = objectionTo(hello, { mine: sayHello(), members, called: null, connected });
    if (objection !== null || link !== undefined || links.size < brokersMax) return objection;
    return { code: 'RESOURCE_EXHAUSTED', reason: `${self} has links to ${links.size} brokers already` };
  }

  function noteRefusal(peer: BrokerId, objection: Objection): void {
    const verdict = refusals.refused(peer, objection, clock.monotonic());
    if (verdict !== null) ports.refused(verdict.error, verdict.isRemoved);
  }

  function setMembers(wanted: ReadonlyMap<BrokerId, string>): void {
    members = wanted;
    for (const link of [...links.values()]) if (wanted.get(link.id) !== link.grpcAddress) unlink(link);
    for (const [id, address] of wanted) if (id !== self && !links.has(id)) links.set(id, createLink(id, address));
    changes.next();
  }

  /** Nothing more is said to it, but why. */
  function unlink(link: Link): void {
    links.delete(link.id);
    refusals.forget(link.id);
    const { stream, id } = link;
    const isOpen = stream?.greeted === true;
    stream?.send({ kind: 'refusal', code: 'NOT_FOUND', reason: `${id} is no member of the cluster any more` });
    end(link);
    if (isOpen) closed.next(id);
  }

  function end(link: Link): void {
    link.machine?.stop();
    link.retry?.cancel();
    link.knock?.end();
    link.stream?.end();
    link.stream = null;
  }

  function send(to: BrokerId, message: PeerMessage): void {
    const stream = links.get(to)?.stream;
    if (!stopped && stream?.greeted === true) stream.send(message);
  }

  function sayAgain(): void {
    for (const id of links.keys()) send(id, sayHello());
  }

  function tick(): void {
    for (const link of links.values()) {
      const silentMs = link.stream?.greeted === true ? clock.monotonic() - link.heardAt : Number.POSITIVE_INFINITY;
      tell(link, { type: 'tick', silentMs });
    }
  }

  const door = createPeerDoor<Link>({
    strangersMax,
    open,
    objectionTo: objectionToCaller,
    welcome,
    receive,
    lost: lose,
    warn,
  });
  setMembers(members);
  const accepting = transport.accepted.subscribe((peer) => {
    try {
      door.accept(peer);
    } catch (error) {
      warn(`a peer at ${peer.remoteAddress} could not be accepted: ${describeError(error)}`);
    }
  });
  const ticking = repeat(clock, tickMs, tick);

  return {
    get views() {
      return [...links.values()].map(({ id, grpcAddress, said, machine }) => ({
        id,
        grpcAddress,
        httpAddress: said.httpAddress,
        incarnation: said.incarnation,
        zone: said.zone,
        cluster: said.cluster,
        refuses: refusals.refuses(id, clock.monotonic()),
        state: machine === null ? 'connecting' : String(machine.snapshot.value),
      }));
    },
    send,
    sendRaft(to, envelope) {
      if (!stopped && links.get(to)?.stream?.greeted === true) outbox.add(to, envelope);
    },
    messages,
    opened,
    closed,
    changes,
    setMembers,
    sayAgain,
    get dropped() {
      return outbox.dropped;
    },
    stop() {
      stopped = true;
      ticking.cancel();
      accepting.unsubscribe();
      door.stop();
      for (const link of links.values()) end(link);
    },
  };
}
