// The pages' files: read once, served from memory. Only what was there at the start is served, so no path can lead elsewhere.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { extname, join, relative, sep } from 'node:path';
import { gzipSync } from 'node:zlib';

export interface StaticFiles {
  /** False when there is no such file and the path is no page's. */
  serve(path: string, request: IncomingMessage, response: ServerResponse): boolean;
}

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.woff2': 'font/woff2',
};

interface File {
  readonly bytes: Buffer;
  readonly gzipped: Buffer;
  readonly type: string;
  readonly tag: string;
  /** Its name holds a hash of its content. */
  readonly immutable: boolean;
}

/** @param pages paths that show index.html, as patterns. */
export function openStaticFiles(directory: string, pages: readonly RegExp[]): StaticFiles {
  const files = new Map<string, File>();
  const walk = (path: string) => {
    for (const entry of readdirSync(path, { withFileTypes: true })) {
      const full = join(path, entry.name);
      if (entry.isDirectory()) walk(full);
      else if (entry.isFile()) files.set(`/${relative(directory, full).split(sep).join('/')}`, load(full));
    }
  };
  if (existsSync(directory)) walk(directory);
  return {
    serve(path, request, response) {
      const file = files.get(path) ?? (pages.some((page) => page.test(path)) ? files.get('/index.html') : undefined);
      if (file === undefined) return false;
      respond(file, request, response);
      return true;
    },
  };
}

function load(path: string): File {
  const bytes = readFileSync(path);
  return {
    bytes,
    gzipped: gzipSync(bytes),
    type: TYPES[extname(path)] ?? 'application/octet-stream',
    tag: `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 16)}"`,
    immutable: /[/\\]assets[/\\]/.test(path),
  };
}

function respond(file: File, request: IncomingMessage, response: ServerResponse): void {
  response.setHeader('ETag', file.tag);
  response.setHeader('Cache-Control', file.immutable ? 'public, max-age=31536000, immutable' : 'no-cache');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  if (request.headers['if-none-match'] === file.tag) {
    response.statusCode = 304;
    response.end();
    return;
  }
  const gzip = /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  const body = gzip ? file.gzipped : file.bytes;
  response.setHeader('Content-Type', file.type);
  response.setHeader('Vary', 'Accept-Encoding');
  if (gzip) response.setHeader('Content-Encoding', 'gzip');
  response.setHeader('Content-Length', body.length);
  response.end(request.method === 'HEAD' ? undefined : body);
}
