// Wires over gRPC's bidirectional streams, either end of them.
import { Client, credentials, type ClientDuplexStream } from '@grpc/grpc-js';
import { Subject } from 'rxjs';
import { unavailable } from '../../core/errors.ts';
import type { Wire } from '../../streams/wire.ts';
import { channelOptions } from './grpc-client.ts';
import type { Method } from './grpc-definitions.ts';

/** Either end of a stream, as far as a wire needs it. */
interface Stream<In> {
  on(event: 'data', listener: (frame: In) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'cancelled' | 'end' | 'close', listener: () => void): unknown;
  end(): unknown;
}

interface WireCodec<Message, In> {
  /** Undefined: a kind that this version does not know. */
  readonly decode: (frame: In) => Message | undefined;
  readonly send: (message: Message) => void;
  /** The stream has ended, whoever ended it. */
  readonly closed: () => void;
}

export function wireOverStream<Message, In>(
  stream: Stream<In>,
  { decode, send, closed }: WireCodec<Message, In>,
): Wire<Message> {
  const inbox = new Subject<Message>();
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
  stream.on('data', (frame: In) => {
    const message = decode(frame);
    if (message !== undefined && open) inbox.next(message);
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
  const finish = () => {
    sending = false;
    stream.end();
  };
  return {
    inbox,
    outbox: {
      next(message) {
        if (sending) send(message);
      },
      error: finish,
      complete: finish,
    },
  };
}

const LINGER_MS = 500;

/** @returns the stream, and what is to be called when it has ended. */
export function dialStream<Request, FullRequest extends Request, Response, FullResponse extends Response>(
  address: string,
  { path, requestSerialize, responseDeserialize }: Method<Request, FullRequest, Response, FullResponse>,
): { readonly stream: ClientDuplexStream<Request, FullResponse>; readonly closed: () => void } {
  // A channel of its own for each attempt: grpc-js's reconnection backoff must not stand before ours.
  const client = new Client(address, credentials.createInsecure(), {
    ...channelOptions,
    'grpc.use_local_subchannel_pool': 1,
  });
  return {
    stream: client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize),
    // Not at once: a channel that goes down takes what is still on its way to the other end along.
    closed: () => void setTimeout(() => client.close(), LINGER_MS).unref(),
  };
}
