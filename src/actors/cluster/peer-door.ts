// The door at which other brokers knock: whoever opens a stream says hello first, and is let in or told why not.
//
// Invariants
//   1. Callers that have not said who they are yet are few; one more is turned away, and not made to wait.
//   2. Why somebody is refused is said once, not at each attempt.
import type { PeerHello, PeerMessage } from '../../streams/envelope.ts';
import type { Wire } from '../../streams/wire.ts';
import type { AcceptedPeer } from '../peer-transport.ts';
import type { Objection } from './greeting.ts';
import type { PeerStream } from './peer-stream.ts';

export interface PeerDoorPorts<Link> {
  readonly strangersMax: number;
  readonly open: (wire: Wire<PeerMessage>, heard: (message: PeerMessage) => void, ended: () => void) => PeerStream;
  readonly objectionTo: (hello: PeerHello) => Objection | null;
  /** It may come in. Null: it was answered, and that was all. */
  readonly welcome: (stream: PeerStream, hello: PeerHello) => Link | null;
  readonly receive: (link: Link, stream: PeerStream, message: PeerMessage) => void;
  readonly lost: (link: Link, stream: PeerStream) => void;
  readonly warn: (message: string) => void;
}

export interface PeerDoor {
  accept(peer: AcceptedPeer): void;
  stop(): void;
}

export function createPeerDoor<Link>(ports: PeerDoorPorts<Link>): PeerDoor {
  const { strangersMax, open, warn } = ports;
  const strangers = new Set<PeerStream>();
  /** What was said of callers last. */
  const objections = new Map<string, string>();

  function admit(stream: PeerStream, message: PeerMessage, remoteAddress: string): Link | null {
    strangers.delete(stream);
    const objection =
      message.kind === 'hello'
        ? ports.objectionTo(message)
        : ({ code: 'INVALID_ARGUMENT', reason: 'a peer says hello first' } as const);
    if (objection !== null || message.kind !== 'hello') {
      refuse(stream, remoteAddress, objection ?? { code: 'FAILED_PRECONDITION', reason: 'not a member' });
      return null;
    }
    objections.delete(callerAt(remoteAddress));
    return ports.welcome(stream, message);
  }

  function refuse(stream: PeerStream, remoteAddress: string, { code, reason }: Objection): void {
    const caller = callerAt(remoteAddress);
    if (objections.size >= strangersMax) objections.clear();
    if (objections.get(caller) !== reason) warn(`refused a peer at ${remoteAddress}: ${reason}`);
    objections.set(caller, reason);
    stream.send({ kind: 'refusal', code, reason });
    stream.end();
  }

  return {
    accept({ wire, remoteAddress }) {
      let link: Link | null = null;
      const stream = open(
        wire,
        (message) => {
          if (link === null) link = admit(stream, message, remoteAddress);
          else ports.receive(link, stream, message);
        },
        () => {
          strangers.delete(stream);
          if (link !== null) ports.lost(link, stream);
        },
      );
      if (strangers.size < strangersMax) strangers.add(stream);
      else
        refuse(stream, remoteAddress, {
          code: 'RESOURCE_EXHAUSTED',
          reason: `${strangersMax} callers have not said who they are`,
        });
    },
    stop() {
      for (const stream of strangers) stream.end();
    },
  };
}

/** Callers dial from ever new ports. */
const callerAt = (remoteAddress: string): string => remoteAddress.replace(/:\d+$/, '');
