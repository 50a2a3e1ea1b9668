// watchdog: 90s
// A broker process, and a client that knows nothing but the proto files: as a program in another language would be written.
import { type ChildProcess, spawn } from 'node:child_process';
import { credentials, loadPackageDefinition, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { freePortBase } from '../support/ports.ts';
import { tempDirectory } from '../support/temp.ts';
import { until } from '../support/until.ts';

type Call = (...args: unknown[]) => unknown;
type Message = Record<string, unknown>;
interface Stream {
  on(event: string, listener: (value: never) => void): Stream;
  write(message: Message): void;
  end(): void;
  cancel(): void;
}

const test = suite('outside client');
const options = { keepCase: true, longs: Number, defaults: true, enums: String, oneofs: true };
const loaded = loadPackageDefinition(
  loadSync('proto/vedette/v1/monitor.proto', { ...options, includeDirs: ['proto'] }),
) as unknown as {
  vedette: {
    v1: { MonitorService: new (address: string, creds: unknown) => Record<string, Call> & { close(): void } };
  };
};

let broker: ChildProcess;
let address = '';
let http = '';
let client: Record<string, Call> & { close(): void };
let output = '';

function unary(method: string, request: Message): Promise<Message> {
  return new Promise((resolve, reject) => {
    client[method]?.(request, (error: ServiceError | null, response: Message) =>
      error === null ? resolve(response) : reject(error),
    );
  });
}
const failsWith = async (method: string, request: Message, code: status, field: string | null) => {
  try {
    await unary(method, request);
  } catch (error) {
    const { code: got, metadata } = error as ServiceError;
    assert.is(got, code, String(error));
    if (field !== null) assert.is(String(metadata.get('vedette-field')[0]), field);
    return;
  }
  assert.unreachable(`${method} should have failed`);
};

test.before(async () => {
  const base = await freePortBase(2);
  address = `127.0.0.1:${base + 1}`;
  http = `127.0.0.1:${base + 2}`;
  const args = [
    'broker',
    '--id',
    'solo',
    '--grpc',
    address,
    '--http',
    http,
    '--data',
    tempDirectory('solo'),
    '--peers',
    `solo=${address}`,
    '--shards',
    '4',
  ];
  broker = spawn(process.execPath, ['bin/vedette.mjs', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [broker.stdout, broker.stderr]) {
    stream?.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
  }
  process.on('exit', () => broker.kill('SIGKILL'));
  await until('the broker says that it is ready', () => output.includes('broker solo ready'), 30_000);
  client = new loaded.vedette.v1.MonitorService(address, credentials.createInsecure());
});
test.after(async () => {
  client.close();
  const ended = new Promise((resolve) => broker.once('exit', resolve));
  broker.kill('SIGTERM');
  assert.is(await ended, 0, output);
});

const now = Math.floor(Date.now() / 1000) * 1000;

test('a session: columns in, acknowledged; what is wrong is rejected with its code, the rest taken', async () => {
  const stream = client['ReportMetrics']?.() as Stream;
  const responses: { acked_sequence: number; send_window: number; rejections: { code: string; sequence: number }[] }[] =
    [];
  stream.on('data', (response: never) => responses.push(response));
  stream.on('error', () => {});
  stream.write({ hello: { agent_id: 'a1', host_id: 'outside', labels: { from: 'test' }, version: '1' } });
  await until('the Hello is answered', () => responses.length > 0);
  assert.ok((responses[0]?.send_window ?? 0) > 0);
  const column = (values: number[]) => ({ metric: 'test.value', unit: '1', values, labels: { part: 'x' } });
  stream.write({
    batch: {
      sequence: 1,
      frames: [
        { timestamps_ms: [now - 2000, now - 1000, now], columns: [column([1, 2, 3])] },
        { timestamps_ms: [now, now - 1], columns: [column([1, 2])] },
        { timestamps_ms: [now + 1], columns: [{ metric: 'bad name', values: [1] }] },
      ],
    },
  });
  await until('the batch is acknowledged', () => responses.some(({ acked_sequence }) => acked_sequence === 1));
  const codes = responses.flatMap(({ rejections }) => rejections.map(({ code, sequence }) => `${sequence} ${code}`));
  assert.equal(codes, ['1 not_ascending', '1 bad_metric_name']);
  stream.write({ heartbeat: { sent_at_ms: Date.now() } });
  await until('the host is online', async () => {
    const { hosts } = (await unary('ListHosts', {})) as {
      hosts: { host_id: string; state: string; labels: Message }[];
    };
    return hosts.some(
      ({ host_id, state, labels }) => host_id === 'outside' && state === 'online' && labels['from'] === 'test',
    );
  });
  stream.end();
});

test('a wrong sequence ends the session, naming the field', async () => {
  const stream = client['ReportMetrics']?.() as Stream;
  let failure: ServiceError | null = null;
  stream.on('data', () => {});
  stream.on('error', (error: never) => {
    failure = error;
  });
  stream.write({ hello: { agent_id: 'a2', host_id: 'outside' } });
  stream.write({ batch: { sequence: 5, frames: [] } });
  await until('the stream ends', () => failure !== null);
  const ended = failure as ServiceError | null;
  assert.is(ended?.code, status.INVALID_ARGUMENT);
  assert.is(String(ended?.metadata.get('vedette-field')[0]), 'batch.sequence');
});

test('reads: a range with both ends, an instant, the newest row, pages', async () => {
  const at = (ms: number) => ({ seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 });
  const rows = async (request: Message) => {
    const { frame, complete, next_page_token } = (await unary('GetMetrics', { host_id: 'outside', ...request })) as {
      frame: { timestamps_ms: number[]; columns: { metric: string; values: number[] }[] };
      complete: boolean;
      next_page_token: string;
    };
    assert.ok(complete);
    return { times: frame.timestamps_ms, values: frame.columns[0]?.values ?? [], next: next_page_token };
  };
  assert.equal((await rows({ start_time: at(now - 2000), end_time: at(now - 1000) })).values, [1, 2]);
  assert.equal((await rows({ start_time: at(now - 1000), end_time: at(now - 1000) })).values, [2]);
  assert.equal((await rows({})).values, [3]);
  assert.equal((await rows({ start_time: at(now + 60_000), end_time: at(now + 61_000) })).times, []);
  assert.equal((await rows({ start_time: at(now - 2000), metrics: ['test.*{part=x}'] })).values, [1, 2, 3]);
  assert.equal((await rows({ start_time: at(now - 2000), metrics: ['no.such'] })).values, []);
  const page = await rows({ start_time: at(now - 2000), end_time: at(now), max_rows: 2 });
  assert.equal(page.values, [1, 2]);
  assert.equal(
    (await rows({ start_time: at(now - 2000), end_time: at(now), max_rows: 2, page_token: page.next })).values,
    [3],
  );
});

test('wrong requests name the field', async () => {
  await failsWith('GetMetrics', { host_id: '' }, status.INVALID_ARGUMENT, 'host_id');
  await failsWith('GetMetrics', { host_id: 'never-seen' }, status.NOT_FOUND, 'host_id');
  await failsWith(
    'GetMetrics',
    { host_id: 'outside', start_time: { seconds: 10 }, end_time: { seconds: 5 } },
    status.INVALID_ARGUMENT,
    'start_time',
  );
  await failsWith(
    'GetMetrics',
    { host_id: 'outside', page_token: 'nonsense', start_time: { seconds: 5 } },
    status.INVALID_ARGUMENT,
    'page_token',
  );
  await failsWith('GetMetrics', { host_id: 'outside', metrics: ['a{b'] }, status.INVALID_ARGUMENT, 'metrics');
  await failsWith('TopK', { metric: 'x' }, status.UNIMPLEMENTED, null);
});

test('a subscription: backfill, live rows, and again from the cursor, each row once', async () => {
  const seen: number[] = [];
  let cursor = '';
  let responses = 0;
  const open = (request: Message) => {
    const stream = client['Subscribe']?.(request) as Stream;
    stream.on('data', (response: never) => {
      const { cursor: next, frames } = response as { cursor: string; frames: { timestamps_ms: number[] }[] };
      responses++;
      if (next !== '') cursor = next;
      for (const frame of frames) seen.push(...frame.timestamps_ms);
    });
    stream.on('error', () => {});
    return stream;
  };
  const first = open({ host_ids: ['out*'], backfill_ms: 60_000, delivery: 'EVERY' });
  await until('the backfill comes', () => seen.length === 3);
  first.cancel();
  const before = responses;
  const second = open({ host_ids: ['out*'], cursor, delivery: 'EVERY' });
  await until('an answer comes at once', () => responses > before);
  const report = client['ReportMetrics']?.() as Stream;
  report.on('data', () => {});
  report.on('error', () => {});
  report.write({ hello: { agent_id: 'a3', host_id: 'outside' } });
  // A row that is known, and one that is not.
  for (const [sequence, time] of [now, now + 1000].entries()) {
    report.write({
      batch: {
        sequence: sequence + 1,
        frames: [
          {
            timestamps_ms: [time],
            columns: [{ metric: 'test.value', unit: '1', values: [time === now ? 3 : 4], labels: { part: 'x' } }],
          },
        ],
      },
    });
  }
  await until('the new row comes', () => seen.includes(now + 1000));
  assert.equal(seen, [now - 2000, now - 1000, now, now + 1000], 'the repeated row was not shown again');
  second.cancel();
  report.end();
  let refused: ServiceError | null = null;
  const malformed = client['Subscribe']?.({ cursor: 'garbage' }) as Stream;
  malformed.on('data', () => {});
  malformed.on('error', (error: never) => {
    refused = error;
  });
  await until('a malformed cursor is refused', () => refused !== null);
  assert.is((refused as ServiceError | null)?.code, status.INVALID_ARGUMENT);
});

/** The services that a tool finds when it asks the broker for them. */
function reflected(version: string): Promise<string[]> {
  const proto = `node_modules/@grpc/reflection/build/proto/grpc/reflection/${version}/reflection.proto`;
  const { grpc } = loadPackageDefinition(loadSync(proto, options)) as unknown as {
    grpc: {
      reflection: Record<
        string,
        { ServerReflection: new (address: string, creds: unknown) => Record<string, Call> & { close(): void } }
      >;
    };
  };
  const Tool = grpc.reflection[version]?.ServerReflection;
  assert.ok(Tool);
  const tool = new Tool(address, credentials.createInsecure());
  return new Promise<string[]>((resolve, reject) => {
    const stream = tool['ServerReflectionInfo']?.() as Stream;
    stream.on('error', reject);
    stream.on(
      'data',
      ({ list_services_response: list }: { list_services_response: { service: { name: string }[] } }) => {
        resolve(list.service.map(({ name }) => name).sort());
        stream.end();
      },
    );
    stream.write({ list_services: '*' });
  }).finally(() => tool.close());
}

test('health, reflection, and the HTTP face', async () => {
  const health = loadPackageDefinition(loadSync('proto/grpc/health/v1/health.proto', options)) as unknown as {
    grpc: {
      health: { v1: { Health: new (address: string, creds: unknown) => Record<string, Call> & { close(): void } } };
    };
  };
  const prober = new health.grpc.health.v1.Health(address, credentials.createInsecure());
  const answer = await new Promise<Message>((resolve, reject) => {
    prober['Check']?.(
      { service: 'vedette.v1.MonitorService' },
      new Metadata(),
      (error: Error | null, response: Message) => (error === null ? resolve(response) : reject(error)),
    );
  });
  prober.close();
  assert.is(answer['status'], 'SERVING');

  for (const version of ['v1', 'v1alpha'])
    assert.equal(await reflected(version), [
      'vedette.v1.AdminService',
      'vedette.v1.MonitorService',
      'vedette.v1.RaftService',
    ]);

  const { clusterId, brokers, shards } = (await (await fetch(`http://${http}/api/v1/cluster/status`)).json()) as {
    clusterId: string;
    brokers: unknown[];
    shards: { leader: string }[];
  };
  assert.ok(clusterId.length > 0);
  assert.is(brokers.length, 1);
  assert.equal(
    shards.map(({ leader }) => leader),
    ['solo', 'solo', 'solo', 'solo'],
  );
  assert.is((await fetch(`http://${http}/readyz`)).status, 200);
  assert.match(await (await fetch(`http://${http}/metrics`)).text(), /^vedette_raft_groups_led 5$/m);
  const { machines } = (await (await fetch(`http://${http}/api/v1/machines?kind=raft&state=leader`)).json()) as {
    machines: { id: string; state: string }[];
  };
  assert.is(machines.length, 5);
  const one = (await (
    await fetch(`http://${http}/api/v1/machines/${encodeURIComponent('solo/raft/control')}`)
  ).json()) as { definition: { id: string }; transitions: { to: string }[] };
  assert.is(one.definition.id, 'raft');
  assert.ok(one.transitions.some(({ to }) => to.startsWith('leader')));
  assert.is((await fetch(`http://${http}/api/v1/machines/no`)).status, 404);
});

test.run();
