// A broker's gRPC address: MonitorService, AdminService, the peers' streams, health and reflection.
import {
  logVerbosity,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  setLogVerbosity,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ReplaySubject, Subject } from 'rxjs';
import { describeError, unavailable, VedetteError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { vedette } from '../../core/proto.ts';
import type { Sink } from '../../streams/sink.ts';
import type { AdminService } from '../admin-service.ts';
import type { CallContext, MonitorService } from '../monitor-service.ts';
import { adminAnswers } from './admin-codec.ts';
import { adminDefinition, healthDefinition, monitorDefinition, raftDefinition } from './grpc-definitions.ts';
import { createHealthService } from './grpc-health.ts';
import type { GrpcPeers, PeerServerStream } from './grpc-peers.ts';
import { addReflection } from './grpc-reflection.ts';
import type { GrpcSnapshots, SnapshotServerStream } from './grpc-snapshots.ts';
import { toStatus } from './grpc-status.ts';

export interface GrpcServer {
  /** What the standard health service answers. */
  serving(yes: boolean): void;
  /** Ends open calls after a moment's grace. */
  stop(done: () => void): void;
}

export interface GrpcServerOptions {
  /** host:port */
  readonly address: string;
  readonly service: MonitorService;
  readonly admin: AdminService;
  readonly peers: GrpcPeers;
  /** Without it snapshots are refused with UNIMPLEMENTED. */
  readonly snapshots?: GrpcSnapshots;
}

// What grpc-js would print by itself comes as an error, too.
setLogVerbosity(logVerbosity.NONE);

const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;
const SERVICE_NAMES = ['', 'vedette.v1.MonitorService', 'vedette.v1.AdminService'];

/** @throws VedetteError FAILED_PRECONDITION naming the address, when it cannot be listened on. */
export async function startGrpcServer({
  address,
  service,
  admin,
  peers,
  snapshots,
}: GrpcServerOptions): Promise<GrpcServer> {
  const server = new Server({
    'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
    'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
    // Clients may ask every second whether this end lives.
    'grpc.keepalive_time_ms': 10_000,
    'grpc.keepalive_timeout_ms': 5_000,
  });
  server.addService(monitorDefinition, monitorHandlers(service));
  server.addService(adminDefinition, adminHandlers(admin));
  server.addService(raftDefinition, {
    Peer: (stream: PeerServerStream) => peers.accept(stream),
    ...(snapshots === undefined ? {} : { InstallSnapshot: (stream: SnapshotServerStream) => snapshots.accept(stream) }),
  });
  const health = createHealthService(SERVICE_NAMES);
  server.addService(healthDefinition, health.handlers);
  addReflection(server);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(address, ServerCredentials.createInsecure(), (error) => {
      if (error === null) resolve();
      else
        reject(
          new VedetteError(
            'FAILED_PRECONDITION',
            `cannot listen on ${address}: ${portTaken(error) ? 'the port is in use' : describeError(error)}`,
            { field: 'grpc', cause: error },
          ),
        );
    });
  });
  return {
    serving: health.serving,
    stop(done) {
      const force = setTimeout(() => server.forceShutdown(), limits.supervisor.callsMs);
      health.stop();
      server.tryShutdown(() => {
        clearTimeout(force);
        done();
      });
    },
  };
}

const portTaken = (error: Error): boolean => /EADDRINUSE|No address added/.test(error.message);

function contextOf(call: { readonly metadata: { get(key: string): unknown[] }; getPeer(): string }): CallContext {
  return { forwarded: call.metadata.get('vedette-forwarded').includes('1'), remoteAddress: call.getPeer() };
}

function unary<Request, Response>(answer: (request: Request, context: CallContext) => Promise<Response>) {
  return (call: ServerUnaryCall<Request, Response>, reply: sendUnaryData<Response>) => {
    Promise.resolve()
      .then(() => answer(call.request, contextOf(call)))
      .then(
        (response) => reply(null, response),
        (error: unknown) => reply(toStatus(error)),
      );
  };
}

const later = (name: string) => (): Promise<never> =>
  Promise.reject(new VedetteError('UNIMPLEMENTED', `${name} is not in this release`));

function adminHandlers(admin: AdminService): UntypedServiceImplementation {
  const answers = adminAnswers(admin);
  return {
    GetStatus: unary(answers.getStatus),
    ListNodes: unary(answers.listNodes),
    GetConfig: unary(answers.getConfig),
    OpenSession: unary(answers.openSession),
    SetConfig: unary(answers.setConfig),
    AddBroker: unary(answers.addBroker),
    RemoveBroker: unary(answers.removeBroker),
    TransferLeadership: unary(answers.transferLeadership),
    TakeSnapshot: unary(answers.takeSnapshot),
  };
}

function monitorHandlers(service: MonitorService): UntypedServiceImplementation {
  return {
    ReportMetrics: (stream: ServerDuplexStream<vedette.v1.ReportRequest, vedette.v1.IReportResponse>) =>
      reportMetrics(service, stream),
    GetMetrics: unary((request: vedette.v1.MetricsRequest, context) => service.getMetrics(request, context)),
    ListHosts: unary((request: vedette.v1.ListHostsRequest, context) => service.listHosts(request, context)),
    ListBrokers: unary((_request: vedette.v1.ListBrokersRequest, context) => service.listBrokers(context)),
    BatchGetMetrics: unary(later('BatchGetMetrics')),
    Aggregate: unary(later('Aggregate')),
    TopK: unary(later('TopK')),
    StreamMetrics: (stream: ServerWritableStream<vedette.v1.MetricsRequest, vedette.v1.IMetricsResponse>) => {
      stream.emit(
        'error',
        toStatus(new VedetteError('UNIMPLEMENTED', 'StreamMetrics is not in this release: page GetMetrics')),
      );
    },
    Subscribe: (stream: ServerWritableStream<vedette.v1.SubscribeRequest, vedette.v1.ISubscribeResponse>) => {
      service.subscribe(stream.request, sinkOf(stream), contextOf(stream));
    },
  };
}

function reportMetrics(
  service: MonitorService,
  stream: ServerDuplexStream<vedette.v1.ReportRequest, vedette.v1.IReportResponse>,
): void {
  const requests = new Subject<vedette.v1.ReportRequest>();
  let open = true;
  const broken = (error?: Error) => {
    if (open) requests.error(unavailable(error?.message ?? 'the stream broke'));
    open = false;
  };
  // The session subscribes before the first request can come: 'data' begins the flow.
  service.reportMetrics(
    { requests, responses: sinkOf(stream), pause: () => stream.pause(), resume: () => stream.resume() },
    contextOf(stream),
  );
  stream.on('data', (request: vedette.v1.ReportRequest) => open && requests.next(request));
  stream.on('end', () => {
    if (open) requests.complete();
    open = false;
  });
  stream.on('error', broken);
  stream.on('cancelled', () => broken());
}

interface Writable<T> {
  write(message: T): boolean;
  end(): unknown;
  emit(event: 'error', status: object): unknown;
  on(event: 'drain' | 'cancelled' | 'error' | 'close', listener: () => void): unknown;
}

function sinkOf<T>(stream: Writable<T>): Sink<T> {
  const drained = new Subject<void>();
  const closed = new ReplaySubject<void>(1);
  let open = true;
  const gone = () => {
    if (!open) return;
    open = false;
    closed.next();
    closed.complete();
  };
  stream.on('drain', () => drained.next());
  stream.on('cancelled', gone);
  stream.on('error', gone);
  stream.on('close', gone);
  return {
    send: (message) => open && stream.write(message),
    drained,
    closed,
    close(error) {
      if (!open) return;
      gone();
      if (error === undefined) stream.end();
      else stream.emit('error', toStatus(error));
    },
  };
}
