// Peer wires over gRPC: one bidirectional stream each.
//
// A write that the stream cannot take at once is buffered by grpc-js; past a limit Raft messages are dropped (counted), since Raft
// sends again what was lost, and memory must not grow for a peer that does not read.
import { Client, credentials, type ClientDuplexStream, type ServerDuplexStream } from '@grpc/grpc-js';
import { Subject } from 'rxjs';
import { unavailable } from '../../core/errors.ts';
import type { BrokerId } from '../../core/ids.ts';
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
/** Frames that wait in grpc-js for one peer. */
const WAITING_MAX = 2_000;

export interface GrpcPeers extends PeerTransport {
  /** For the server: a peer opened a stream. */
  accept(stream: PeerServerStream): void;
  /** Raft batches dropped because a peer did not read. */
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
          if (message.kind === 'raft' && stream.writableLength > WAITING_MAX) dropped++;
          else stream.write(encodePeerMessage(message));
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
