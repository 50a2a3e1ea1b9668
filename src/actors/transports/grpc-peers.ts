// Peer wires over gRPC: one bidirectional stream each.
//
// A write that the stream cannot take at once is buffered by grpc-js; past a limit Raft messages and forwarded rows are dropped
// (counted), since both are sent again when they are lost, and memory must not grow for a peer that does not read.
import type { ClientDuplexStream, ServerDuplexStream } from '@grpc/grpc-js';
import { Subject } from 'rxjs';
import type { BrokerId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { vedette } from '../../core/proto.ts';
import type { PeerMessage } from '../../streams/envelope.ts';
import type { Wire } from '../../streams/wire.ts';
import type { AcceptedPeer, PeerTransport } from '../peer-transport.ts';
import { raftDefinition } from './grpc-definitions.ts';
import { dialStream, wireOverStream } from './grpc-wire.ts';
import { decodePeerMessage, encodePeerMessage } from './peer-codec.ts';

type Frame = vedette.v1.IPeerFrame;
type FullFrame = vedette.v1.PeerFrame;
export type PeerServerStream = ServerDuplexStream<Frame, Frame>;

const { waitingFramesMax, waitingBytesMax } = limits.peers;

export interface GrpcPeers extends PeerTransport {
  /** For the server: a peer opened a stream. */
  accept(stream: PeerServerStream): void;
  /** Raft batches and forwarded rows dropped because a peer did not read. */
  readonly dropped: number;
}

export function createGrpcPeers(self: BrokerId): GrpcPeers {
  const accepted = new Subject<AcceptedPeer>();
  let dropped = 0;

  function wireOver(
    stream: ClientDuplexStream<Frame, FullFrame> | PeerServerStream,
    closed: () => void,
  ): Wire<PeerMessage> {
    let peer: BrokerId | '' = '';
    /** Handed to grpc-js, and not yet taken by the connection. */
    let waitingBytes = 0;
    return wireOverStream<PeerMessage, FullFrame>(stream, {
      closed,
      decode(frame) {
        const message = decodePeerMessage(frame, peer, self);
        if (message?.kind === 'hello') peer = message.broker;
        return message;
      },
      send(message) {
        const bytes = payloadBytes(message);
        const full =
          stream.writableLength > waitingFramesMax || (waitingBytes > 0 && waitingBytes + bytes > waitingBytesMax);
        if (full && (message.kind === 'raft' || message.kind === 'forward')) {
          dropped++;
          return;
        }
        waitingBytes += bytes;
        stream.write(encodePeerMessage(message), () => {
          waitingBytes -= bytes;
        });
      },
    });
  }

  return {
    accepted,
    get dropped() {
      return dropped;
    },
    accept(stream) {
      accepted.next({ remoteAddress: stream.getPeer(), wire: wireOver(stream, () => {}) });
    },
    dial(address) {
      const { stream, closed } = dialStream(address, raftDefinition.Peer);
      return wireOver(stream, closed);
    },
  };
}

/** What makes a message large. */
function payloadBytes(message: PeerMessage): number {
  if (message.kind === 'forward') return message.proposal.length;
  if (message.kind !== 'raft') return 0;
  return message.envelopes.reduce((sum, { message: inner }) => sum + (inner.type === 'append' ? inner.bytes : 0), 0);
}
