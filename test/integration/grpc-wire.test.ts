// The gRPC peer wire keeps the contract of every wire; a cut cable surfaces at both ends; and the server's health.
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { firstValueFrom } from 'rxjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createGrpcPeers } from '../../src/actors/transports/grpc-peers.ts';
import { healthDefinition } from '../../src/actors/transports/grpc-definitions.ts';
import { type GrpcServer, startGrpcServer } from '../../src/actors/transports/grpc-server.ts';
import { createGrpcSnapshots } from '../../src/actors/transports/grpc-snapshots.ts';
import type { AdminService } from '../../src/actors/admin-service.ts';
import type { MonitorService } from '../../src/actors/monitor-service.ts';
import { VedetteError } from '../../src/core/errors.ts';
import { limits } from '../../src/core/limits.ts';
import { grpc } from '../../src/core/proto.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import type { PeerMessage } from '../../src/streams/envelope.ts';
import type { SnapshotMessage } from '../../src/streams/snapshot-message.ts';
import { wireContract } from '../contract/wire-contract.ts';
import { freePortBase } from '../support/ports.ts';
import { until } from '../support/until.ts';

const nobody = () => Promise.reject(new VedetteError('UNIMPLEMENTED', 'not here'));
const service: MonitorService = {
  reportMetrics: ({ responses }) => responses.close(),
  getMetrics: nobody,
  listHosts: nobody,
  listBrokers: nobody,
  subscribe: (_request, sink) => sink.close(),
};

const admin: AdminService = {
  status: () => {
    throw new VedetteError('UNIMPLEMENTED', 'not here');
  },
  nodes: () => [],
  config: nobody,
  openSession: nobody,
  setConfig: nobody,
  addBroker: nobody,
  removeBroker: nobody,
  snapshot: nobody,
  transfer: nobody,
};

/** A cable that can be cut: everything that goes through it breaks at once. */
async function cableTo(port: number) {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = createConnection(port, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    close: () => server.close(),
  };
}

wireContract<PeerMessage>(
  'gRPC',
  async () => {
    const port = (await freePortBase(1)) + 1;
    const there = createGrpcPeers('b' as BrokerId);
    const server = await startGrpcServer({ address: `127.0.0.1:${port}`, service, admin, peers: there });
    const cable = await cableTo(port);
    const accepted = firstValueFrom(there.accepted);
    const a = createGrpcPeers('a' as BrokerId).dial(`127.0.0.1:${cable.port}`);
    const { wire: b } = await accepted;
    return {
      a,
      b,
      breakLink: cable.cut,
      close: () =>
        new Promise<void>((done) => {
          a.outbox.complete();
          b.outbox.complete();
          server.stop(() => {
            cable.cut();
            cable.close();
            done();
          });
        }),
    };
  },
  {
    message: (value) => ({
      kind: 'forward',
      requestId: value,
      shard: 0,
      proposal: new Uint8Array(0),
      relay: false,
    }),
    value: (message) => (message.kind === 'forward' ? message.requestId : -1),
    until,
  },
).run();

wireContract<SnapshotMessage>(
  'gRPC, snapshots',
  async () => {
    const port = (await freePortBase(1)) + 1;
    const there = createGrpcSnapshots();
    const peers = createGrpcPeers('b' as BrokerId);
    const server = await startGrpcServer({ address: `127.0.0.1:${port}`, service, admin, peers, snapshots: there });
    const cable = await cableTo(port);
    const accepted = firstValueFrom(there.accepted);
    const a = createGrpcSnapshots().dial(`127.0.0.1:${cable.port}`);
    const b = await accepted;
    return {
      a,
      b,
      breakLink: cable.cut,
      close: () =>
        new Promise<void>((done) => {
          a.outbox.complete();
          b.outbox.complete();
          server.stop(() => {
            cable.cut();
            cable.close();
            done();
          });
        }),
    };
  },
  {
    // Each kind in turn.
    message(value) {
      if (value % 4 === 0) return { kind: 'chunk', number: value, crc: 0xfedc_ba98, payload: Uint8Array.of(value) };
      if (value % 4 === 1) return { kind: 'grant', next: value, chunks: 3 };
      if (value % 4 === 2) return { kind: 'end', installed: true, reason: `${value}` };
      const ends = { from: 'a' as BrokerId, to: 'b' as BrokerId, term: 7 };
      return { kind: 'offer', ...ends, header: Uint8Array.of(1, 2), chunks: value, bytes: 2 ** 40 };
    },
    value(message) {
      if (message.kind === 'chunk') return message.crc === 0xfedc_ba98 ? message.number : -1;
      if (message.kind === 'grant') return message.next;
      if (message.kind === 'end') return message.installed ? Number(message.reason) : -1;
      return message.bytes === 2 ** 40 && message.header.length === 2 && message.to === 'b' ? message.chunks : -1;
    },
    until,
  },
).run();

const server = suite('gRPC server');

type HealthAnswer = grpc.health.v1.HealthCheckResponse;
const { SERVING, NOT_SERVING, SERVICE_UNKNOWN } = grpc.health.v1.HealthCheckResponse.ServingStatus;
const { Check, List, Watch } = healthDefinition;

function askHealth(client: Client, name = ''): Promise<HealthAnswer['status']> {
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      Check.path,
      Check.requestSerialize,
      Check.responseDeserialize,
      { service: name },
      (error, answer) => (error === null ? resolve(answer?.status ?? 0) : reject(error)),
    );
  });
}

/** What it is told, until the client is closed. */
function watchHealth(client: Client, name: string): HealthAnswer['status'][] {
  const told: HealthAnswer['status'][] = [];
  const { path, requestSerialize, responseDeserialize } = Watch;
  const stream = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: name });
  stream.on('data', (answer: HealthAnswer) => told.push(answer.status));
  stream.on('error', () => {});
  return told;
}

async function withServer(act: (client: Client, begun: GrpcServer) => Promise<void>): Promise<void> {
  const address = `127.0.0.1:${(await freePortBase(1)) + 1}`;
  const begun = await startGrpcServer({ address, service, admin, peers: createGrpcPeers('b' as BrokerId) });
  const client = new Client(address, credentials.createInsecure());
  await act(client, begun);
  client.close();
  await new Promise<void>((done) => begun.stop(done));
}

server('health says whether it may be sent work: not at first, and not any more when it cannot be', () =>
  withServer(async (client, begun) => {
    const answers = [await askHealth(client)];
    for (const ready of [true, false, true]) {
      begun.serving(ready);
      answers.push(await askHealth(client, ready ? 'vedette.v1.MonitorService' : ''));
    }
    assert.equal(answers, [NOT_SERVING, SERVING, NOT_SERVING, SERVING]);
  }),
);

server(
  'who watches health is told what is so, and each change once; of a service that there is not, that it is unknown',
  () =>
    withServer(async (client, begun) => {
      const [all, unknown] = [watchHealth(client, ''), watchHealth(client, 'x.Nothing')];
      await until('both are told what is so', () => all.length === 1 && unknown.length === 1);
      for (const ready of [true, true, false, false]) begun.serving(ready);
      await until('the changes are told', () => all.length >= 3);
      await askHealth(client);
      assert.equal(all, [NOT_SERVING, SERVING, NOT_SERVING]);
      assert.equal(unknown, [SERVICE_UNKNOWN]);
    }),
);

server('so many may watch health, and no more; the end of the server is the end of their calls', () =>
  withServer(async (client, begun) => {
    const { path, requestSerialize, responseDeserialize } = Watch;
    const watch = () => client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: '' });
    const streams = Array.from({ length: limits.health.watchersMax }, watch);
    await Promise.all(streams.map((stream) => once(stream, 'data')));
    const refused = watch();
    refused.on('data', () => assert.unreachable());
    const [error] = (await once(refused, 'error')) as [ServiceError];
    assert.is(error.code, status.RESOURCE_EXHAUSTED);
    const ends = streams.map((stream) => once(stream, 'end'));
    await new Promise<void>((done) => begun.stop(done));
    await Promise.all(ends);
  }),
);

server('health is asked in vain of a service that there is not, and lists those that there are', () =>
  withServer(async (client, begun) => {
    begun.serving(true);
    const error = await askHealth(client, 'x.Nothing').then(
      () => null,
      (refusal: ServiceError) => refusal,
    );
    assert.is(error?.code, status.NOT_FOUND);
    assert.match(error?.details ?? '', /not told of x\.Nothing/);
    const listed = await new Promise<grpc.health.v1.HealthListResponse | undefined>((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = List;
      client.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, (refusal, answer) =>
        refusal === null ? resolve(answer) : reject(refusal),
      );
    });
    assert.equal(
      Object.entries(listed?.statuses ?? {}).map(([name, answer]) => [name, answer.status]),
      ['', 'vedette.v1.MonitorService', 'vedette.v1.AdminService'].map((name) => [name, SERVING]),
    );
  }),
);

server.run();
