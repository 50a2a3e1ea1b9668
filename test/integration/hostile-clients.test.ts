// Clients that behave badly on purpose: what they send breaks nothing, and what they do not read does not pile up.
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { firstValueFrom } from 'rxjs';
import WebSocket from 'ws';
import { createGrpcPeers } from '../../src/actors/transports/grpc-peers.ts';
import { type HttpServer, startHttpServer } from '../../src/actors/transports/http-server.ts';
import { startWsServer, type WsConnection, type WsServer } from '../../src/actors/transports/ws-server.ts';
import type { BrokerId, GroupId } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import type { RaftEnvelope } from '../../src/streams/envelope.ts';
import { until } from '../support/until.ts';

const test = suite<{ http: HttpServer; sockets: WsServer }>('hostile clients');

test.before(async (context) => {
  context.http = await startHttpServer({ address: '127.0.0.1:0', routes: [] });
  context.sockets = startWsServer(context.http.server, '/api/v1/stream');
});
test.after(async ({ http, sockets }) => {
  sockets.stop();
  await new Promise<void>((done) => http.stop(done));
});

async function ask(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('utf8');
  });
  socket.write(text);
  await once(socket, 'close');
  return answer;
}

test('a target that is no path is an error for its sender alone', async ({ http }) => {
  const upgrade = 'Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
  assert.match(await ask(http.port, `GET // HTTP/1.1\r\n${upgrade}`), /^HTTP\/1\.1 404 /);
  assert.match(await ask(http.port, 'GET // HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 400 /);
});

test('an upgrade that breaks off at once breaks nothing', async ({ http }) => {
  for (let round = 0; round < 20; round++) {
    const socket = connect(http.port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.write('GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    socket.resetAndDestroy();
  }
  assert.match(await ask(http.port, 'GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 404 /);
});

test('a browser that asks and never reads is cut off before it costs memory', async ({ http, sockets }) => {
  const accepted = firstValueFrom(sockets.connections);
  const client = new WebSocket(`ws://127.0.0.1:${http.port}/api/v1/stream`);
  await once(client, 'open');
  const connection: WsConnection = await accepted;
  client.pause();
  let closed = false;
  connection.closed.subscribe(() => {
    closed = true;
  });
  connection.inbox.subscribe({ error: () => {} });
  let sent = 0;
  await until('it is cut off', () => {
    for (let n = 0; n < 100 && !closed; n++) {
      connection.send('x'.repeat(10_000));
      sent += 10_000;
    }
    return closed;
  });
  assert.ok(sent < 64 * 1024 * 1024, `${sent} bytes`);
  client.terminate();
});

test('a broker that takes a connection and reads nothing: what waits for it is bounded in bytes', async () => {
  const taken = new Set<Socket>();
  const deaf = createServer((socket) => {
    taken.add(socket.pause());
  });
  await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
  const peers = createGrpcPeers('a' as BrokerId);
  const wire = peers.dial(`127.0.0.1:${(deaf.address() as AddressInfo).port}`);
  wire.inbox.subscribe({ error: () => {} });
  const payload = new Uint8Array(1024 * 1024);
  const append: RaftEnvelope = {
    group: 'shard-0' as GroupId,
    message: {
      type: 'append',
      from: 'a' as BrokerId,
      to: 'b' as BrokerId,
      term: 1,
      prevIndex: 0,
      prevTerm: 0,
      lastIndex: 1,
      runs: [{ first: 1, term: 1 }],
      commit: 0,
      bytes: payload.length,
    },
    entries: [{ kind: 'data', payload }],
  };
  const most = limits.peers.waitingBytesMax / payload.length;
  for (let n = 0; n < most + 50; n++) wire.outbox.next({ kind: 'raft', envelopes: [append] });
  wire.outbox.next({ kind: 'forward', requestId: 1, shard: 0, proposal: payload, relay: false });
  assert.ok(peers.dropped >= 40, `${peers.dropped} of ${most + 51} were dropped`);
  wire.outbox.complete();
  for (const socket of taken) socket.destroy();
  await new Promise<void>((resolve) => deaf.close(() => resolve()));
});

test.run();
