// The links to all other brokers: who they are is checked before anything else is said.
//
//   dialling side ── hello ──▶          each side checks the other's hello: protocol, cluster, founding settings, identity.
//                  ◀── hello ──         What does not fit is refused with a reason, and the stream ends.
//
//   The side that is to be dialled knocks: the same exchange, after which the stream ends, and the other side dials.
//
// Invariants
//   1. At most one stream per pair. A newer one from the same incarnation replaces the old; from another it is refused: two
//      processes under one id must not both be believed.
//   2. Raft messages of one turn of the loop leave together: as one frame per peer, or a few when there is much.
//   3. A broker that more than half of the others refuse, and that never was one of a majority, has no place here: it says why, and
//      ends. One that was goes on: then the others are wrong.
import { Subject } from 'rxjs';
import { describeError, VedetteError } from '../../core/errors.ts';
import type { BrokerId, Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { type PeerLinkEffect, type PeerLinkEvent, peerLinkMachine } from '../../machines/peer-link.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { PeerHello, PeerMessage, RaftEnvelope } from '../../streams/envelope.ts';
import { type Inspector, statePaths } from '../../streams/inspector.ts';
import type { Random } from '../../streams/random.ts';
import { backoffDelay } from '../../streams/retry.ts';
import { type Running, runMachine } from '../../streams/run-machine.ts';
import type { Wire } from '../../streams/wire.ts';
import type { AcceptedPeer, PeerTransport } from '../peer-transport.ts';
import { type Objection, objectionTo, PEER_PROTOCOL } from './greeting.ts';
import { openPeerStream, type PeerStream } from './peer-stream.ts';
import { repeat } from './repeat.ts';
import { createRaftOutbox, type RaftOutbox } from './raft-outbox.ts';

export interface PeerView {
  readonly id: BrokerId;
  /** Of the link's chart. */
  readonly state: string;
  readonly grpcAddress: string;
  /** '' until that broker has said it. */
  readonly httpAddress: string;
  readonly incarnation: string;
  readonly zone: string;
}

export interface Peers {
  readonly views: readonly PeerView[];
  /** Dropped when there is no stream: whoever needs more brings its own acknowledgements. */
  send(to: BrokerId, message: PeerMessage): void;
  sendRaft(to: BrokerId, envelope: RaftEnvelope): void;
  /** From brokers that were accepted; never a hello or a refusal. */
  readonly messages: Subject<{ readonly from: BrokerId; readonly message: PeerMessage }>;
  readonly opened: Subject<BrokerId>;
  /** The stream ended. */
  readonly closed: Subject<BrokerId>;
  /** A link's state, or what is known of the broker at its other end. */
  readonly changes: Subject<void>;
  /** Raft messages that were too much for one turn. */
  readonly dropped: number;
  stop(): void;
}

export interface PeersPorts {
  readonly self: BrokerId;
  /** All members with their gRPC addresses. */
  readonly members: ReadonlyMap<BrokerId, string>;
  readonly hello: () => Omit<PeerHello, 'kind' | 'protocol'>;
  readonly transport: PeerTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
  readonly warn: (message: string) => void;
  /** The others do not accept this broker, see above. */
  readonly refused: (error: VedetteError) => void;
}

type Machine = Running<{ readonly value: unknown }, PeerLinkEvent>;
type Told = PeerLinkEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'at'> : never) : never;

interface Link {
  readonly id: BrokerId;
  readonly grpcAddress: string;
  machine: Machine | null;
  stream: PeerStream | null;
  knock: PeerStream | null;
  retry: Timer | null;
  incarnation: string;
  httpAddress: string;
  zone: string;
  heardAt: Millis;
}

const { suspectAfterMs, downAfterMs, steadyAfterMs, redialBaseMs, redialMaxMs, tickMs, helloTimeoutMs, strangersMax } =
  limits.peers;

export function createPeers(ports: PeersPorts): Peers {
  const { self, members, clock, random, transport, warn } = ports;
  const messages = new Subject<{ readonly from: BrokerId; readonly message: PeerMessage }>();
  const opened = new Subject<BrokerId>();
  const closed = new Subject<BrokerId>();
  const changes = new Subject<void>();
  const strangers = new Set<PeerStream>();
  const links = new Map<BrokerId, Link>();
  /** Why others do not want this broker, and who ever did. */
  const refusals = new Map<BrokerId, string>();
  const welcomed = new Set<BrokerId>();
  /** What was said of callers last, so that it is not said again at each attempt. */
  const objections = new Map<string, string>();
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
      incarnation: '',
      httpAddress: '',
      zone: '',
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
    const delay = failures === 0 ? 0 : backoffDelay(failures, { baseMs: redialBaseMs, maxMs: redialMaxMs }, random);
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
    if (answer.kind === 'refusal') noteRefusal(link.id, answer.reason);
    if (answer.kind !== 'hello') return null;
    const objection = objectionTo(answer, { mine: sayHello(), members, called: link.id, connected: null });
    if (objection === null) return answer;
    stream.send({ kind: 'refusal', ...objection });
    noteRefusal(link.id, objection.reason);
    return null;
  }

  function learn(link: Link, { incarnation, httpAddress, zone }: PeerHello): void {
    refusals.delete(link.id);
    welcomed.add(link.id);
    link.incarnation = incarnation;
    link.httpAddress = httpAddress;
    link.zone = zone;
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
    if (message.kind !== 'hello' && message.kind !== 'refusal') {
      messages.next({ from: link.id, message });
      return;
    }
    warn(`${link.id} ${message.kind === 'hello' ? 'said a second hello' : `ended the link: ${message.reason}`}`);
    lose(link, stream);
  }

  /** A stream that another broker opened: its hello decides whose it is. */
  function accept({ wire, remoteAddress }: AcceptedPeer): void {
    let link: Link | null = null;
    const stream = open(
      wire,
      (message) => {
        if (link === null) link = admit(stream, message, remoteAddress);
        else receive(link, stream, message);
      },
      () => {
        strangers.delete(stream);
        if (link !== null) lose(link, stream);
      },
    );
    if (strangers.size < strangersMax) strangers.add(stream);
    else
      refuse(stream, remoteAddress, {
        code: 'RESOURCE_EXHAUSTED',
        reason: `${strangersMax} callers have not said who they are`,
      });
  }

  function admit(stream: PeerStream, message: PeerMessage, remoteAddress: string): Link | null {
    strangers.delete(stream);
    const link = message.kind === 'hello' ? links.get(message.broker) : undefined;
    const objection = objectionToCaller(message, link);
    if (objection !== null || message.kind !== 'hello' || link === undefined) {
      refuse(stream, remoteAddress, objection ?? { code: 'FAILED_PRECONDITION', reason: 'not a member' });
      return null;
    }
    objections.delete(remoteAddress);
    if (self < link.id) {
      learn(link, message);
      stream.send(sayHello());
      stream.end();
      tell(link, { type: 'knocked' });
      return null;
    }
    if (link.stream !== null) lose(link, link.stream);
    link.stream = stream;
    stream.send(sayHello());
    establish(link, stream, message);
    return link;
  }

  function objectionToCaller(message: PeerMessage, link: Link | undefined): Objection | null {
    if (message.kind !== 'hello') return { code: 'INVALID_ARGUMENT', reason: 'a peer says hello first' };
    const connected = link?.stream?.greeted === true ? link.incarnation : null;
    return objectionTo(message, { mine: sayHello(), members, called: null, connected });
  }

  function refuse(stream: PeerStream, remoteAddress: string, { code, reason }: Objection): void {
    // Callers dial from ever new ports.
    const caller = remoteAddress.replace(/:\d+$/, '');
    if (objections.size >= strangersMax) objections.clear();
    if (objections.get(caller) !== reason) warn(`refused a peer at ${remoteAddress}: ${reason}`);
    objections.set(caller, reason);
    stream.send({ kind: 'refusal', code, reason });
    stream.end();
  }

  function noteRefusal(peer: BrokerId, reason: string): void {
    if (refusals.get(peer) !== reason) warn(`${peer}: ${reason}`);
    refusals.set(peer, reason);
    const wanted = (welcomed.size + 1) * 2 > members.size;
    if (wanted || refusals.size * 2 <= links.size) return;
    const reasons = [...new Set(refusals.values())].join('; ');
    ports.refused(new VedetteError('FAILED_PRECONDITION', reasons, { field: 'peers' }));
  }

  function send(to: BrokerId, message: PeerMessage): void {
    const stream = links.get(to)?.stream;
    if (!stopped && stream?.greeted === true) stream.send(message);
  }

  function tick(): void {
    for (const link of links.values()) {
      const silentMs = link.stream?.greeted === true ? clock.monotonic() - link.heardAt : Number.POSITIVE_INFINITY;
      tell(link, { type: 'tick', silentMs });
    }
  }

  for (const [id, address] of members) if (id !== self) links.set(id, createLink(id, address));
  const accepting = transport.accepted.subscribe((peer) => {
    try {
      accept(peer);
    } catch (error) {
      warn(`a peer at ${peer.remoteAddress} could not be accepted: ${describeError(error)}`);
    }
  });
  const ticking = repeat(clock, tickMs, tick);

  return {
    get views() {
      return [...links.values()].map(({ id, grpcAddress, httpAddress, incarnation, zone, machine }) => ({
        id,
        grpcAddress,
        httpAddress,
        incarnation,
        zone,
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
    get dropped() {
      return outbox.dropped;
    },
    stop() {
      stopped = true;
      ticking.cancel();
      accepting.unsubscribe();
      for (const stream of strangers) stream.end();
      for (const link of links.values()) {
        link.machine?.stop();
        link.retry?.cancel();
        link.knock?.end();
        link.stream?.end();
      }
    },
  };
}
