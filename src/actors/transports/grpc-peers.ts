// Peer wires over gRPC: one bidirectional stream each.
//
// A write that the stream cannot take at once is buffered by grpc-js; past a limit Raft messages and forwarded rows are dropped
// (counted), since both are sent again when they are lost, and memory must not grow for a peer that does not read.
import { Client, credentials, type ClientDuplexStream, type ServerDuplexStream } from '@grpc/grpc-js';
import { Subject } from 'rxjs';
import { unavailable } from '../../core/errors.ts';
import type { BrokerId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { vedette } from '../../core/proto.ts';
import type { PeerMessage } from '../../streams/envelope.ts';
import type { Wire } from '../../streams/wire.ts';
import type { AcceptedPeer, PeerTransport } from '../peer-transport.ts';
import { channelOptions } from './grpc-client.ts';
import { raftDefinition } from './grpc-definitions.ts';
import { decodePeerMessage, encodePeerMessage } from './peer-codec.ts';

type Frame = vedette.v1.IPeerFrame;
type FullFrame = vedette.v1.PeerFrame;
export type PeerServerStream = ServerDuplexStream<Frame, Frame>;

const LINGER_MS = 500;
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
    const inbox = new Subject<PeerMessage>();
    let peer: BrokerId | '' = '';
    let sending = true;
    let open = true;
    /** Handed to grpc-js, and not yet taken by the connection. */
    let waitingBytes = 0;
    const end = (error?: Error) => {
      sending = false;
      if (!open) return;
      open = false;
      closed();
      if (error === undefined) inbox.complete();
      else inbox.error(unavailable(error.message));
    };
    stream.on('data', (frame: FullFrame) => {
      const message = decodePeerMessage(frame, peer, self);
      if (message === undefined || !open) return;
      if (message.kind === 'hello') peer = message.broker;
      inbox.next(message);
    });
    stream.on('error', end);
    // The server's side is told so at every end: after this end has closed it is no news.
    stream.on('cancelled', () => end(sending ? new Error('the peer is gone') : undefined));
    // A broken connection ends the stream as well, and says so in the same turn; a close is answered with one.
    stream.on('end', () =>
      setImmediate(() => {
        end();
        stream.end();
      }),
    );
    stream.on('close', () => setImmediate(() => end()));
    return {
      inbox,
      outbox: {
        next(message) {
          if (!sending) return;
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
        error() {
          sending = false;
          stream.end();
        },
        complete() {
          sending = false;
          stream.end();
        },
      },
    };
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
      // A channel of its own for each attempt: grpc-js's reconnection backoff must not stand before ours.
      const client = new Client(address, credentials.createInsecure(), {
        ...channelOptions,
        'grpc.use_local_subchannel_pool': 1,
      });
      const { path, requestSerialize, responseDeserialize } = raftDefinition.Peer;
      const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
      return wireOver(stream, () => {
        // Not at once: a channel that goes down takes what is still on its way to the other end along.
        setTimeout(() => client.close(), LINGER_MS).unref();
      });
    },
  };
}

/** What makes a message large. */
function payloadBytes(message: PeerMessage): number {
  if (message.kind === 'forward') return message.proposal.length;
  if (message.kind !== 'raft') return 0;
  return message.envelopes.reduce((sum, { message: inner }) => sum + (inner.type === 'append' ? inner.bytes : 0), 0);
}
