// Routes over node:http: JSON answers, errors in one shape, the pages' files.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzip } from 'node:zlib';
import { describeError, type ErrorCode, invalidArgument, VedetteError } from '../../core/errors.ts';
import { sizeText } from '../../core/units.ts';
import { isReply, type Route } from '../http-route.ts';
import type { StaticFiles } from './static-files.ts';

export interface HttpServer {
  readonly server: Server;
  readonly port: number;
  stop(done: () => void): void;
}

export interface HttpServerOptions {
  /** host:port */
  readonly address: string;
  readonly routes: readonly Route[];
  readonly files?: StaticFiles;
}

const BODY_BYTES_MAX = 1024 * 1024;
const COMPRESS_FROM = 2 * 1024;

const STATUS: Record<ErrorCode, number> = {
  INVALID_ARGUMENT: 400,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  FAILED_PRECONDITION: 412,
  ABORTED: 409,
  RESOURCE_EXHAUSTED: 429,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 504,
  UNIMPLEMENTED: 501,
  DATA_LOSS: 500,
  INTERNAL: 500,
};

/** @throws VedetteError FAILED_PRECONDITION naming the address, when it cannot be listened on. */
export async function startHttpServer({ address, routes, files }: HttpServerOptions): Promise<HttpServer> {
  const patterns = routes.map((route) => ({ route, match: compilePath(route.path) }));
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => sendError(request, response, error));
  });

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = requestUrl(request);
    if (url === null) throw invalidArgument('path', 'the request names no path');
    const method = request.method === 'HEAD' ? 'GET' : (request.method ?? 'GET');
    const matching = patterns.flatMap(({ route, match }) => {
      const params = match(url.pathname);
      return params === null ? [] : [{ route, params }];
    });
    const found = matching.find(({ route }) => route.method === method);
    if (found !== undefined) {
      const body = await readBody(request);
      const answer = await found.route.handle({ params: found.params, query: url.searchParams, body });
      if (isReply(answer)) send(request, response, answer.status, answer.body, answer.contentType);
      else send(request, response, 200, answer);
      return;
    }
    if (matching.length > 0) {
      response.setHeader('Allow', matching.map(({ route }) => route.method).join(', '));
      const error = new VedetteError(
        'UNIMPLEMENTED',
        `${url.pathname} takes ${matching.map(({ route }) => route.method).join(', ')}, not ${method}`,
      );
      send(request, response, 405, errorBody(error));
      return;
    }
    if (
      files !== undefined &&
      method === 'GET' &&
      !url.pathname.startsWith('/api/') &&
      files.serve(url.pathname, request, response)
    )
      return;
    throw new VedetteError('NOT_FOUND', `there is nothing at ${url.pathname}`);
  }

  const { host, port } = splitAddress(address);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'the port is in use' : describeError(error);
      reject(
        new VedetteError('FAILED_PRECONDITION', `cannot listen on ${address}: ${reason}`, {
          field: 'http',
          cause: error,
        }),
      );
    });
    server.listen(port, host, resolve);
  });
  return {
    server,
    port: (server.address() as AddressInfo).port,
    stop(done) {
      server.close(() => done());
      server.closeAllConnections();
    },
  };
}

/** Null: what the request asks for cannot be read as a path. */
export function requestUrl(request: IncomingMessage): URL | null {
  const target = request.url ?? '/';
  return URL.canParse(target, 'http://host') ? new URL(target, 'http://host') : null;
}

export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[(.*)\]$/, '$1'), port: Number(address.slice(colon + 1)) };
}

/** `/a/{id}/b` → the values of its braces in a path, percent-decoded; null when it is another path. */
function compilePath(pattern: string): (path: string) => Record<string, string> | null {
  const names: string[] = [];
  const expression = pattern.split('/').map((part) => {
    const name = /^\{(\w+)\}$/.exec(part)?.[1];
    if (name === undefined) return part.replace(/[.*+?^$()|[\]\\]/g, '\\$&');
    names.push(name);
    return '([^/]+)';
  });
  const matcher = new RegExp(`^${expression.join('/')}$`);
  return (path) => {
    const match = matcher.exec(path);
    if (match === null) return null;
    return Object.fromEntries(names.map((name, at) => [name, decode(match[at + 1] ?? '', name)]));
  };
}

function decode(text: string, field: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalidArgument(field, `${JSON.stringify(text)} is not percent-encoded UTF-8`);
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  if (request.method === 'GET' || request.method === 'HEAD') return undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!(chunk instanceof Buffer)) continue;
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX)
      throw new VedetteError('RESOURCE_EXHAUSTED', `a body has at most ${sizeText(BODY_BYTES_MAX)}`);
    chunks.push(chunk);
  }
  if (bytes === 0) return undefined;
  try {
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch {
    throw invalidArgument('body', 'the body is not JSON');
  }
}

/** NaN and infinities have no JSON: they are null, as JSON.stringify makes them. */
function send(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  body: unknown,
  contentType = 'application/json; charset=utf-8',
): void {
  const text =
    typeof body === 'string' && !contentType.startsWith('application/json') ? body : JSON.stringify(body ?? null);
  const plain = Buffer.from(text, 'utf8');
  response.statusCode = status;
  response.setHeader('Content-Type', contentType);
  response.setHeader('Cache-Control', 'no-store');
  const finish = (bytes: Buffer) => {
    response.setHeader('Content-Length', bytes.length);
    response.end(request.method === 'HEAD' ? undefined : bytes);
  };
  if (plain.length < COMPRESS_FROM || !/\bgzip\b/.test(String(request.headers['accept-encoding'] ?? '')))
    return finish(plain);
  response.setHeader('Content-Encoding', 'gzip');
  // Beside the loop: live streams do not wait for a large answer to be compressed.
  gzip(plain, { level: 1 }, (error, zipped) => (error === null ? finish(zipped) : response.destroy()));
}

function errorBody(error: VedetteError): object {
  return {
    error: { code: error.code, message: error.message, ...(error.field === undefined ? {} : { field: error.field }) },
  };
}

function sendError(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const known = error instanceof VedetteError ? error : new VedetteError('INTERNAL', 'internal error');
  if (known.retryAfterMs !== undefined)
    response.setHeader('Retry-After', Math.max(1, Math.ceil(known.retryAfterMs / 1000)));
  send(request, response, STATUS[known.code], errorBody(known));
}
