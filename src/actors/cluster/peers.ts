// The links to all other brokers: who they are is checked before anything else is said.
//
//   dialling side ── hello ──▶          each side checks the other's hello: protocol, cluster, founding settings, identity.
//                  ◀── hello ──         What does not fit is refused with a reason, and the stream ends.
//
// Invariants
//   1. At most one stream per pair. A newer one from the same incarnation replaces the old; from another it is refused: two
//      processes under one id must not both be believed.
//   2. Raft messages of one turn of the loop leave as one frame per peer.
//   3. A broker that more than half of its peers refuse has no place here: it says why, and ends.
import { Subject, Subscription } from 'rxjs';
import { describeError, VedetteError } from '../../core/errors.ts';
import type { BrokerId, ClusterId, Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { type PeerLinkEffect, peerLinkMachine } from '../../machines/peer-link.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { PeerHello, PeerMessage, RaftEnvelope } from '../../streams/envelope.ts';
import { type Inspector, statePaths } from '../../streams/inspector.ts';
import type { Random } from '../../streams/random.ts';
import { backoffDelay } from '../../streams/retry.ts';
import { runMachine } from '../../streams/run-machine.ts';
import type { Wire } from '../../streams/wire.ts';
import type { AcceptedPeer, PeerTransport } from '../peer-transport.ts';

const PEER_PROTOCOL = 1;

export interface PeerView {
  readonly id: BrokerId;
  readonly state: string;
  readonly grpcAddress: string;
  readonly httpAddress: string;
}

export interface Peers {
  readonly views: readonly PeerView[];
  /** Dropped when there is no stream: whoever needs more brings its own acknowledgements. */
  send(to: BrokerId, message: PeerMessage): void;
  sendRaft(to: BrokerId, envelope: RaftEnvelope): void;
  /** From brokers that were accepted; never a hello or a refusal. */
  readonly messages: Subject<{ readonly from: BrokerId; readonly message: PeerMessage }>;
  readonly opened: Subject<BrokerId>;
  /** The other end closed the stream. */
  readonly closed: Subject<BrokerId>;
  readonly changes: Subject<void>;
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
  /** More than half of the peers do not accept this broker. */
  readonly refused: (error: VedetteError) => void;
}

interface Link {
  readonly id: BrokerId;
  stream: { readonly wire: Wire<PeerMessage>; readonly subscription: Subscription; accepted: boolean } | null;
  incarnation: string;
  grpcAddress: string;
  httpAddress: string;
  heardAt: Millis;
  outbox: RaftEnvelope[];
  retry: Timer | null;
}

const { suspectAfterMs, downAfterMs, redialBaseMs, redialMaxMs, tickMs } = limits.peers;

export function createPeers(ports: PeersPorts): Peers {
  const { self, clock, random, transport, warn } = ports;
  const messages = new Subject<{ readonly from: BrokerId; readonly message: PeerMessage }>();
  const opened = new Subject<BrokerId>();
  const closed = new Subject<BrokerId>();
  const changes = new Subject<void>();
  const links = new Map<BrokerId, Link>();
  const refusals = new Map<BrokerId, string>();
  let flushing = false;
  let stopped = false;
  let ticking: Timer | null = null;

  for (const [id, grpcAddress] of ports.members) {
    if (id !== self)
      links.set(id, {
        id,
        stream: null,
        incarnation: '',
        grpcAddress,
        httpAddress: '',
        heardAt: clock.monotonic(),
        outbox: [],
        retry: null,
      });
  }
  const machines = new Map([...links.values()].map((link) => [link.id, runLink(link)]));

  function runLink(link: Link) {
    return runMachine<typeof peerLinkMachine, PeerLinkEffect>(peerLinkMachine, {
      id: `${self}/peer/${link.id}`,
      kind: 'peer',
      input: { dials: self < link.id, suspectAfterMs, downAfterMs },
      clock,
      inspector: ports.inspector,
      onEffect: (effect) => carryOut(link, effect),
    });
  }

  function carryOut(link: Link, effect: PeerLinkEffect): void {
    switch (effect.type) {
      case 'dial':
        return dial(link);
      case 'scheduleRetry':
        return redialLater(link, effect.params.attempt);
      case 'announceOpened':
        opened.next(link.id);
        return;
      case 'announceClosed':
        closed.next(link.id);
        return;
    }
  }

  function redialLater(link: Link, attempt: number): void {
    if (self > link.id) return;
    link.retry?.cancel();
    const delay = attempt === 0 ? 0 : backoffDelay(attempt, { baseMs: redialBaseMs, maxMs: redialMaxMs }, random);
    link.retry = clock.after(delay, () => machines.get(link.id)?.send({ type: 'retry.due', at: clock.monotonic() }));
  }

  function dial(link: Link): void {
    if (link.stream !== null) return;
    const wire = transport.dial(link.grpcAddress);
    attach(link, wire);
    wire.outbox.next({ kind: 'hello', protocol: PEER_PROTOCOL, ...ports.hello() });
  }

  /** The link's stream from now on. An older one is dropped without a word. */
  function attach(link: Link, wire: Wire<PeerMessage>): void {
    drop(link);
    const subscription = new Subscription();
    link.stream = { wire, subscription, accepted: false };
    const mine = () => link.stream?.wire === wire;
    subscription.add(
      wire.inbox.subscribe({
        next: (message) => mine() && receive(link, message),
        error: () => mine() && lose(link),
        complete: () => mine() && lose(link),
      }),
    );
  }

  function drop(link: Link): void {
    const ending = link.stream;
    link.stream = null;
    link.outbox = [];
    ending?.subscription.unsubscribe();
    ending?.wire.outbox.complete();
  }

  function lose(link: Link): void {
    drop(link);
    machines.get(link.id)?.send({ type: 'lost', at: clock.monotonic() });
    changes.next();
  }

  function receive(link: Link, message: PeerMessage): void {
    link.heardAt = clock.monotonic();
    if (message.kind === 'refusal') {
      noteRefusal(link.id, message.reason);
      lose(link);
      return;
    }
    if (message.kind === 'hello') {
      // The answer to ours: the accepting side has checked us already.
      const objection = link.stream?.accepted === true ? 'a second hello came' : objectionTo(message, link.id);
      if (objection === null) establish(link, message);
      else {
        link.stream?.wire.outbox.next({ kind: 'refusal', code: 'FAILED_PRECONDITION', reason: objection });
        noteRefusal(link.id, objection);
        lose(link);
      }
      return;
    }
    if (link.stream?.accepted === true) messages.next({ from: link.id, message });
  }

  function establish(link: Link, hello: PeerHello): void {
    if (link.stream !== null) link.stream.accepted = true;
    link.incarnation = hello.incarnation;
    link.httpAddress = hello.httpAddress;
    link.heardAt = clock.monotonic();
    refusals.delete(link.id);
    machines.get(link.id)?.send({ type: 'established', at: clock.monotonic() });
    changes.next();
  }

  /** A stream that another broker opened: its hello decides whose it is. */
  function accept({ wire, remoteAddress }: AcceptedPeer): void {
    const first = new Subscription();
    const hello = wire.inbox.subscribe({
      next(message) {
        first.unsubscribe();
        if (message.kind !== 'hello') {
          refuse(wire, remoteAddress, 'a peer says hello first');
          return;
        }
        const link = links.get(message.broker);
        const misfit = objectionTo(message, message.broker);
        // It may be this broker that does not fit: whoever disagrees with most of the others is the odd one.
        if (misfit !== null && link !== undefined) noteRefusal(link.id, misfit);
        const objection = misfit ?? duplicateOf(message);
        if (objection !== null || link === undefined) {
          refuse(wire, remoteAddress, objection ?? 'not a member');
          return;
        }
        const wasUp = link.stream?.accepted === true;
        attach(link, wire);
        if (wasUp) machines.get(link.id)?.send({ type: 'lost', at: clock.monotonic() });
        wire.outbox.next({ kind: 'hello', protocol: PEER_PROTOCOL, ...ports.hello() });
        establish(link, message);
      },
      // Gone before it said who it is.
      error: () => {},
    });
    first.add(hello);
  }

  function refuse(wire: Wire<PeerMessage>, remoteAddress: string, reason: string): void {
    warn(`refused a peer at ${remoteAddress}: ${reason}`);
    wire.outbox.next({ kind: 'refusal', code: 'FAILED_PRECONDITION', reason });
    wire.outbox.complete();
  }

  /** Why the broker that says this hello is not wanted; null: it is. */
  function objectionTo(hello: PeerHello, expected: BrokerId): string | null {
    const mine = ports.hello();
    if (hello.protocol !== PEER_PROTOCOL)
      return `${hello.broker} speaks peer protocol ${hello.protocol}, ${self} speaks ${PEER_PROTOCOL}`;
    if (hello.broker === self) return `two brokers have the id ${self}`;
    if (hello.broker !== expected) return `${expected} was expected here, not ${hello.broker}: check --peers`;
    if (!links.has(hello.broker))
      return `${hello.broker} is not among the peers ${[...ports.members.keys()].join(', ')}`;
    if (differ(hello.cluster, mine.cluster))
      return `${hello.broker} belongs to cluster ${hello.cluster}, ${self} to ${mine.cluster}`;
    if (hello.founding !== mine.founding)
      return `${hello.broker} and ${self} were started with different --peers, --shards or --replicas`;
    return null;
  }

  function duplicateOf(hello: PeerHello): string | null {
    const link = links.get(hello.broker);
    const other = link?.stream?.accepted === true && link.incarnation !== hello.incarnation;
    return other
      ? `two brokers have the id ${hello.broker}: one is connected already, with another data directory`
      : null;
  }

  function noteRefusal(peer: BrokerId, reason: string): void {
    if (refusals.get(peer) !== reason) warn(`${peer}: ${reason}`);
    refusals.set(peer, reason);
    if (refusals.size * 2 > links.size) {
      ports.refused(
        new VedetteError('FAILED_PRECONDITION', [...new Set(refusals.values())].join('; '), { field: 'peers' }),
      );
    }
  }

  function flush(): void {
    flushing = false;
    for (const link of links.values()) {
      if (link.outbox.length === 0) continue;
      const envelopes = link.outbox;
      link.outbox = [];
      if (link.stream?.accepted === true) link.stream.wire.outbox.next({ kind: 'raft', envelopes });
    }
  }

  function tick(): void {
    ticking = clock.after(tickMs, tick);
    for (const link of links.values()) {
      const before = statePaths(machines.get(link.id)?.snapshot.value);
      const silentMs = link.stream?.accepted === true ? clock.monotonic() - link.heardAt : Number.POSITIVE_INFINITY;
      machines.get(link.id)?.send({ type: 'tick', silentMs, at: clock.monotonic() });
      if (statePaths(machines.get(link.id)?.snapshot.value) !== before) changes.next();
    }
  }

  const accepting = transport.accepted.subscribe((peer) => {
    try {
      if (!stopped) accept(peer);
    } catch (error) {
      warn(`a peer at ${peer.remoteAddress} could not be accepted: ${describeError(error)}`);
    }
  });
  ticking = clock.after(tickMs, tick);

  return {
    get views() {
      return [...links.values()].map(({ id, grpcAddress, httpAddress }) => ({
        id,
        grpcAddress,
        httpAddress,
        state: statePaths(machines.get(id)?.snapshot.value),
      }));
    },
    send(to, message) {
      const stream = links.get(to)?.stream;
      if (!stopped && stream?.accepted === true) stream.wire.outbox.next(message);
    },
    sendRaft(to, envelope) {
      const link = links.get(to);
      if (stopped || link?.stream?.accepted !== true) return;
      link.outbox.push(envelope);
      if (flushing) return;
      flushing = true;
      clock.defer(flush);
    },
    messages,
    opened,
    closed,
    changes,
    stop() {
      stopped = true;
      ticking?.cancel();
      accepting.unsubscribe();
      for (const machine of machines.values()) machine.stop();
      for (const link of links.values()) {
        link.retry?.cancel();
        drop(link);
      }
    },
  };
}

/** '' is: not known yet. */
function differ(a: ClusterId | '', b: ClusterId | ''): boolean {
  return a !== '' && b !== '' && a !== b;
}
