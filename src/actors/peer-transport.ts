// Where peer wires come from: a port. gRPC implements it in production, the simulated network in tests.
import type { Observable } from 'rxjs';
import type { PeerMessage } from '../streams/envelope.ts';
import type { Wire } from '../streams/wire.ts';

export interface AcceptedPeer {
  /** For messages to people. */
  readonly remoteAddress: string;
  readonly wire: Wire<PeerMessage>;
}

export interface PeerTransport {
  /** Begins to connect; the wire's inbox errors when that fails or the link breaks. No retry in here: that is the chart's. */
  dial(address: string): Wire<PeerMessage>;
  /** Streams that other brokers opened. */
  readonly accepted: Observable<AcceptedPeer>;
}
