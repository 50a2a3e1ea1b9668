// WebSockets on an HTTP server's port, as a port of the program: connections with an inbox and a pace.
import type { Server } from 'node:http';
import { type Observable, ReplaySubject, Subject } from 'rxjs';
import { type WebSocket, WebSocketServer } from 'ws';
import { unavailable } from '../../core/errors.ts';
import { requestUrl } from './http-server.ts';

export interface WsConnection {
  /** Text as it is, binary as bytes. Errors when the connection breaks. */
  readonly inbox: Observable<string | Uint8Array>;
  /** False: taken, but send no more before `drained`. */
  send(data: string | Uint8Array): boolean;
  readonly drained: Observable<void>;
  /** Emits once; replayed. */
  readonly closed: Observable<void>;
  close(code: number, reason: string): void;
  /** '' when none was agreed on. */
  readonly subprotocol: string;
  readonly remoteAddress: string;
}

export interface WsServer {
  readonly connections: Observable<WsConnection>;
  stop(): void;
}

const SUBPROTOCOL = 'vedette.v1.proto';
const MESSAGE_BYTES_MAX = 256 * 1024;
const CLIENTS_MAX = 10_000;
/** Buffered bytes at which a socket counts as full, and at which it has room again. */
const FULL_BYTES = 256 * 1024;
const ROOM_BYTES = 64 * 1024;
/** A client that goes on asking without reading the answers is cut off. */
const BUFFERED_BYTES_MAX = 16 * 1024 * 1024;
const PING_MS = 10_000;
const TRY_AGAIN_LATER = 1013;

export function startWsServer(server: Server, path: string): WsServer {
  const connections = new Subject<WsConnection>();
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: MESSAGE_BYTES_MAX,
    handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
  });
  const alive = new WeakSet<WebSocket>();

  server.on('upgrade', (request, socket, head) => {
    if (requestUrl(request)?.pathname !== path) {
      // Nobody else listens for what may go wrong on it.
      socket.on('error', () => socket.destroy());
      socket.end('HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n');
      return;
    }
    sockets.handleUpgrade(request, socket, head, (opened) => {
      if (sockets.clients.size > CLIENTS_MAX) {
        opened.close(TRY_AGAIN_LATER, 'too many clients');
        return;
      }
      alive.add(opened);
      opened.on('pong', () => alive.add(opened));
      connections.next(connectionOver(opened, request.socket.remoteAddress ?? ''));
    });
  });

  // A client that answers no ping for a whole round is gone, whatever its socket says.
  const pinging = setInterval(() => {
    for (const client of sockets.clients) {
      if (!alive.has(client)) {
        client.terminate();
        continue;
      }
      alive.delete(client);
      client.ping();
    }
  }, PING_MS);

  return {
    connections,
    stop() {
      clearInterval(pinging);
      for (const client of sockets.clients) client.terminate();
      sockets.close();
    },
  };
}

function connectionOver(socket: WebSocket, remoteAddress: string): WsConnection {
  const inbox = new Subject<string | Uint8Array>();
  const drained = new Subject<void>();
  const closed = new ReplaySubject<void>(1);
  let full = false;
  socket.on('message', (data, isBinary) => {
    const bytes = Array.isArray(data) ? Buffer.concat(data) : data instanceof ArrayBuffer ? Buffer.from(data) : data;
    inbox.next(isBinary ? bytes : bytes.toString('utf8'));
  });
  socket.on('error', () => socket.terminate());
  socket.on('close', () => {
    inbox.error(unavailable('the connection closed'));
    closed.next();
    closed.complete();
  });
  const written = () => {
    if (!full || socket.bufferedAmount > ROOM_BYTES) return;
    full = false;
    drained.next();
  };
  return {
    inbox,
    send(data) {
      if (socket.readyState !== socket.OPEN) return false;
      if (socket.bufferedAmount > BUFFERED_BYTES_MAX) {
        socket.terminate();
        return false;
      }
      socket.send(data, written);
      if (socket.bufferedAmount > FULL_BYTES) full = true;
      return !full;
    },
    drained,
    closed,
    close: (code, reason) => socket.close(code, reason),
    subprotocol: socket.protocol,
    remoteAddress,
  };
}
