// The links to all other brokers, as the rest of a broker sees them (actors/cluster/peers.ts makes them).
import type { Subject } from 'rxjs';
import type { VedetteError } from '../../core/errors.ts';
import type { BrokerId, ClusterId } from '../../core/ids.ts';
import type { Clock } from '../../streams/clock.ts';
import type { PeerHello, PeerMessage, RaftEnvelope } from '../../streams/envelope.ts';
import type { Inspector } from '../../streams/inspector.ts';
import type { Random } from '../../streams/random.ts';
import type { PeerTransport } from '../peer-transport.ts';

export interface PeerView {
  readonly id: BrokerId;
  /** Of the link's chart. */
  readonly state: string;
  readonly grpcAddress: string;
  /** '' until that broker has said it. */
  readonly httpAddress: string;
  readonly incarnation: string;
  readonly zone: string;
  /** What it said of its cluster last: '' is none; null: it was not heard. */
  readonly cluster: ClusterId | '' | null;
  /** It is there, and does not want this broker. */
  readonly refuses: boolean;
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
  /** With their gRPC addresses, this one among them: links to others end, links to new ones begin. */
  setMembers(members: ReadonlyMap<BrokerId, string>): void;
  /** What this broker says of itself has changed: those with a link are told. */
  sayAgain(): void;
  stop(): void;
}

export interface PeersPorts {
  readonly self: BrokerId;
  /** All members with their gRPC addresses, to begin with. */
  readonly members: ReadonlyMap<BrokerId, string>;
  readonly hello: () => Omit<PeerHello, 'kind' | 'protocol'>;
  readonly transport: PeerTransport;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
  readonly warn: (message: string) => void;
  /** The others do not accept this broker (refusals.ts): it is no member any more, or never had a place there. */
  readonly refused: (error: VedetteError, isRemoved: boolean) => void;
}
