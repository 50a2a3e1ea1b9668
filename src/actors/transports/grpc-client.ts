// MonitorClient over gRPC.
import { Client, type ClientReadableStream, credentials, Metadata, type ServiceError } from '@grpc/grpc-js';
import { Subject } from 'rxjs';
import { VedetteError } from '../../core/errors.ts';
import type { vedette } from '../../core/proto.ts';
import type { Source } from '../../streams/sink.ts';
import type { CallOptions, MonitorClient } from '../monitor-client.ts';
import { type Method, monitorDefinition } from './grpc-definitions.ts';
import { fromStatus } from './grpc-status.ts';

const DEADLINE_MS = 5_000;
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

/**
 * Reconnects fast: whoever asks has rules of its own for how long to wait between attempts, and one that the channel refuses without
 * having made it is another such wait. Notices within seconds that the other end is there but silent.
 */
export const channelOptions = {
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.min_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 200,
  'grpc.keepalive_time_ms': 2_000,
  'grpc.keepalive_timeout_ms': 1_500,
  'grpc.keepalive_permit_without_calls': 0,
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
} as const;

function metadataOf(options: CallOptions): Metadata {
  const metadata = new Metadata();
  if (options.forwarded === true) metadata.set('vedette-forwarded', '1');
  return metadata;
}

export function unaryCall<Request, FullRequest extends Request, Response, FullResponse extends Response>(
  client: Client,
  { path, requestSerialize, responseDeserialize }: Method<Request, FullRequest, Response, FullResponse>,
  request: Request,
  options: CallOptions = {},
): Promise<FullResponse> {
  return new Promise((resolve, reject) => {
    const deadline = Date.now() + (options.deadlineMs ?? DEADLINE_MS);
    client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadataOf(options),
      { deadline },
      (error: ServiceError | null, response?: FullResponse) => {
        if (error !== null) reject(fromStatus(error));
        else if (response === undefined) reject(new VedetteError('INTERNAL', 'the answer is empty'));
        else resolve(response);
      },
    );
  });
}

function createMonitorClient(address: string): MonitorClient {
  const client = new Client(address, credentials.createInsecure(), channelOptions);
  const unary = <Request, FullRequest extends Request, Response, FullResponse extends Response>(
    method: Method<Request, FullRequest, Response, FullResponse>,
    request: Request,
    options?: CallOptions,
  ) => unaryCall(client, method, request, options);

  return {
    address,
    reportMetrics() {
      const { path, requestSerialize, responseDeserialize } = monitorDefinition.ReportMetrics;
      const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize);
      const inbox = new Subject<vedette.v1.ReportResponse>();
      let open = true;
      const end = (error?: ServiceError) => {
        if (!open) return;
        open = false;
        if (error === undefined) inbox.complete();
        else inbox.error(fromStatus(error));
      };
      stream.on('data', (response: vedette.v1.ReportResponse) => open && inbox.next(response));
      stream.on('error', end);
      stream.on('end', () => end());
      return {
        inbox,
        outbox: {
          next: (request) => {
            if (open) stream.write(request);
          },
          error: () => stream.cancel(),
          complete: () => {
            open = false;
            stream.end();
            // A broker that does not answer any more must not keep the call.
            stream.cancel();
          },
        },
      };
    },
    getMetrics: (request, options) => unary(monitorDefinition.GetMetrics, request, options),
    listHosts: (request, options) => unary(monitorDefinition.ListHosts, request, options),
    listBrokers: (options) => unary(monitorDefinition.ListBrokers, {}, options),
    subscribe(request, options = {}) {
      const { path, requestSerialize, responseDeserialize } = monitorDefinition.Subscribe;
      return sourceOf(
        client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, request, metadataOf(options)),
      );
    },
    close: () => client.close(),
  };
}

function sourceOf(stream: ClientReadableStream<vedette.v1.SubscribeResponse>): Source<vedette.v1.SubscribeResponse> {
  const inbox = new Subject<vedette.v1.SubscribeResponse>();
  let open = true;
  stream.on('data', (response: vedette.v1.SubscribeResponse) => open && inbox.next(response));
  stream.on('error', (error: ServiceError) => {
    if (open) inbox.error(fromStatus(error));
    open = false;
  });
  stream.on('end', () => {
    if (open) inbox.complete();
    open = false;
  });
  return {
    inbox,
    pause: () => stream.pause(),
    resume: () => stream.resume(),
    close() {
      open = false;
      stream.cancel();
    },
  };
}

/** One client, and so one channel, per address. */
export function createMonitorClients(): { readonly get: (address: string) => MonitorClient; close(): void } {
  const clients = new Map<string, MonitorClient>();
  return {
    get(address) {
      let client = clients.get(address);
      if (client === undefined) {
        client = createMonitorClient(address);
        clients.set(address, client);
      }
      return client;
    },
    close() {
      for (const client of clients.values()) client.close();
      clients.clear();
    },
  };
}
