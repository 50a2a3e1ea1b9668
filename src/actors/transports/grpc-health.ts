// The standard health service: whether this server may be sent work. All of the services that it is told of may, or none.
//
// Who watches is told what is so now, and each change of it; who does not read is told nothing in between, but the last.
import type { sendUnaryData, ServerUnaryCall, ServerWritableStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { VedetteError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { grpc } from '../../core/proto.ts';
import { toStatus } from './grpc-status.ts';

const { HealthCheckResponse } = grpc.health.v1;
const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = HealthCheckResponse.ServingStatus;

type Asked = grpc.health.v1.IHealthCheckRequest;
type Answer = grpc.health.v1.IHealthCheckResponse;
type Listed = grpc.health.v1.IHealthListResponse;

export interface Health {
  readonly handlers: UntypedServiceImplementation;
  serving(yes: boolean): void;
  /** Who watches hears no more: calls that go on would hold up the server's end. */
  stop(): void;
}

/** @param names of the services; '' is the server as a whole. */
export function createHealthService(names: readonly string[]): Health {
  const watchers = new Map<ServerWritableStream<Asked, Answer>, () => void>();
  let status = NOT_SERVING;

  const statusOf = (name: string) => (names.includes(name) ? status : SERVICE_UNKNOWN);

  function check({ request }: ServerUnaryCall<Asked, Answer>, reply: sendUnaryData<Answer>): void {
    const name = request.service ?? '';
    if (names.includes(name)) reply(null, { status });
    else reply(toStatus(new VedetteError('NOT_FOUND', `health is not told of ${name}, but of: ${names.join(' ')}`)));
  }

  function watch(stream: ServerWritableStream<Asked, Answer>): void {
    if (watchers.size >= limits.health.watchersMax) {
      const message = `${watchers.size} watch already: ask with Check`;
      stream.emit('error', toStatus(new VedetteError('RESOURCE_EXHAUSTED', message)));
      return;
    }
    const name = stream.request.service ?? '';
    let told: number | null = null;
    const tell = (): void => {
      if (stream.writableNeedDrain || told === statusOf(name)) return;
      told = statusOf(name);
      stream.write({ status: told });
    };
    const gone = () => watchers.delete(stream);
    stream.on('drain', tell);
    for (const end of ['cancelled', 'error', 'close']) stream.on(end, gone);
    watchers.set(stream, tell);
    tell();
  }

  function list(_call: ServerUnaryCall<object, Listed>, reply: sendUnaryData<Listed>): void {
    reply(null, { statuses: Object.fromEntries(names.map((name) => [name, { status }])) });
  }

  return {
    handlers: { Check: check, Watch: watch, List: list },
    serving(yes) {
      status = yes ? SERVING : NOT_SERVING;
      for (const tell of watchers.values()) tell();
    },
    stop() {
      for (const stream of watchers.keys()) stream.end();
    },
  };
}
