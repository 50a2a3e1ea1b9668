// etcd, three members on loopback with their data on disk: what the Raft benchmarks are held against.
import type { ChildProcess } from 'node:child_process';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import {
  Client,
  credentials,
  type GrpcObject,
  loadPackageDefinition,
  type ServiceClientConstructor,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { packageRoot } from '../../src/actors/package-root.ts';
import { listening, sleep, start, stop } from '../support/children.ts';

const proto = fileURLToPath(new URL('bench/peers/etcd.proto', packageRoot));
const MEMBERS = [0, 1, 2];
const DEADLINE_MS = 5_000;

export interface Etcd {
  readonly processes: readonly ChildProcess[];
  leader(): Promise<number>;
  put(member: number, value: Buffer, deadlineMs?: number): Promise<boolean>;
  restart(member: number): Promise<void>;
  stop(): Promise<void>;
}

/** Null when it is not installed. */
export function etcdVersion(): string | null {
  const { status, stdout } = spawnSync('etcd', ['--version'], { encoding: 'utf8' });
  return status === 0 ? (stdout.split('\n')[0]?.replace('etcd Version: ', '') ?? '') : null;
}

type Call = (
  request: object,
  options: { deadline: number },
  done: (error: Error | null, answer: { leader: string; header: { member_id: string } }) => void,
) => void;

function ask(
  client: Client,
  method: string,
  request: object,
  deadlineMs: number,
): Promise<{ leader: string; id: string } | null> {
  const call = Reflect.get(client, method) as Call;
  return new Promise((resolve) => {
    call.call(client, request, { deadline: Date.now() + deadlineMs }, (error, answer) =>
      resolve(error === null ? { leader: answer.leader, id: answer.header?.member_id ?? '' } : null),
    );
  });
}

export async function startEtcd(directory: string, port: number): Promise<Etcd> {
  const loaded = loadPackageDefinition(loadSync(proto, { longs: String, keepCase: true }))[
    'etcdserverpb'
  ] as GrpcObject;
  const client = (n: number) => `http://127.0.0.1:${port + 2 * n}`;
  const peer = (n: number) => `http://127.0.0.1:${port + 2 * n + 1}`;
  const boot = (n: number, state: 'new' | 'existing') =>
    start(
      'etcd',
      [
        ...['--name', `n${n}`, '--data-dir', `${directory}/etcd${n}`],
        ...['--listen-client-urls', client(n), '--advertise-client-urls', client(n)],
        ...['--listen-peer-urls', peer(n), '--initial-advertise-peer-urls', peer(n)],
        ...['--initial-cluster', MEMBERS.map((m) => `n${m}=${peer(m)}`).join(','), '--initial-cluster-state', state],
        ...['--logger', 'zap', '--log-level', 'error'],
      ],
      `${directory}/etcd${n}.log`,
    );
  const dial = (n: number) => {
    const address = `127.0.0.1:${port + 2 * n}`;
    const of = (service: string) =>
      new (loaded[service] as ServiceClientConstructor)(address, credentials.createInsecure(), {
        'grpc.use_local_subchannel_pool': 1,
        'grpc.initial_reconnect_backoff_ms': 50,
        'grpc.max_reconnect_backoff_ms': 200,
      });
    return { kv: of('KV'), maintenance: of('Maintenance') };
  };
  const processes = MEMBERS.map((n) => boot(n, 'new'));
  await Promise.all(MEMBERS.map((n) => listening(port + 2 * n)));
  const clients = MEMBERS.map(dial);
  let key = 0;

  return {
    processes,
    async leader() {
      for (;;) {
        for (const [n, { maintenance }] of clients.entries()) {
          const status = await ask(maintenance, 'Status', {}, 500);
          if (status !== null && status.leader !== '0' && status.leader === status.id) return n;
        }
        await sleep(50);
      }
    },
    async put(n, value, deadlineMs = DEADLINE_MS) {
      const kv = clients[n]?.kv;
      if (kv === undefined) throw new RangeError(`there is no member ${n}`);
      return (await ask(kv, 'Put', { key: Buffer.from(`k${key++ % 10_000}`), value }, deadlineMs)) !== null;
    },
    async restart(n) {
      processes[n] = boot(n, 'existing');
      await listening(port + 2 * n);
      clients[n]?.kv.close();
      clients[n]?.maintenance.close();
      clients[n] = dial(n);
    },
    async stop() {
      for (const { kv, maintenance } of clients) {
        kv.close();
        maintenance.close();
      }
      await Promise.all(processes.map((child) => stop(child)));
    },
  };
}
