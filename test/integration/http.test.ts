// The HTTP server over a real socket: routes, errors in one shape, files, compression.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { reply, type Route } from '../../src/actors/http-route.ts';
import { laterDashboardRoutes } from '../../src/actors/later-routes.ts';
import { type HttpServer, startHttpServer } from '../../src/actors/transports/http-server.ts';
import { openStaticFiles } from '../../src/actors/transports/static-files.ts';
import { invalidArgument, unavailable } from '../../src/core/errors.ts';
import { tempDirectory } from '../support/temp.ts';

const test = suite<{ server: HttpServer; url: string }>('http');

const ROUTES: Route[] = [
  {
    method: 'GET',
    path: '/api/v1/things/{id}',
    handle: ({ params, query }) => ({ id: params['id'], n: Number.NaN, q: query.get('q') }),
  },
  { method: 'PUT', path: '/api/v1/things/{id}', handle: ({ body }) => ({ body }) },
  { method: 'GET', path: '/api/v1/large', handle: () => ({ text: 'x'.repeat(10_000) }) },
  { method: 'GET', path: '/api/v1/bad', handle: () => Promise.reject(invalidArgument('start', 'start is no time')) },
  { method: 'GET', path: '/api/v1/away', handle: () => Promise.reject(unavailable('no quorum', 1_500)) },
  { method: 'GET', path: '/api/v1/broken', handle: () => Promise.reject(new Error('a secret of ours')) },
  { method: 'GET', path: '/metrics', handle: () => reply({ status: 200, contentType: 'text/plain', body: 'up 1\n' }) },
  { method: 'GET', path: '/readyz', handle: () => reply({ status: 503, body: { ready: false } }) },
];

test.before(async (context) => {
  const directory = tempDirectory('web');
  mkdirSync(join(directory, 'assets'));
  writeFileSync(join(directory, 'index.html'), '<!doctype html><title>t</title>');
  writeFileSync(join(directory, 'assets', 'a-123.js'), 'export {};');
  writeFileSync(join(directory, '..', 'outside.txt'), 'not served');
  context.server = await startHttpServer({
    address: '127.0.0.1:0',
    routes: ROUTES,
    files: openStaticFiles(directory, [/^\/$/, /^\/hosts\/[^/]+$/]),
  });
  context.url = `http://127.0.0.1:${context.server.port}`;
});
test.after(({ server }) => new Promise<void>((done) => server.stop(done)));

const error = async (response: Response) => ((await response.json()) as { error: object }).error;

test('parameters are percent-decoded; NaN is null; HEAD has no body', async ({ url }) => {
  const response = await fetch(`${url}/api/v1/things/a%2Fb?q=1`);
  assert.equal(await response.json(), { id: 'a/b', n: null, q: '1' });
  const head = await fetch(`${url}/api/v1/things/x`, { method: 'HEAD' });
  assert.is(head.status, 200);
  assert.is(await head.text(), '');
});

test('errors: code, message and field, under a fitting status', async ({ url }) => {
  const bad = await fetch(`${url}/api/v1/bad`);
  assert.is(bad.status, 400);
  assert.equal(await error(bad), { code: 'INVALID_ARGUMENT', message: 'start is no time', field: 'start' });
  const away = await fetch(`${url}/api/v1/away`);
  assert.equal([away.status, away.headers.get('retry-after')], [503, '2']);
  const broken = await fetch(`${url}/api/v1/broken`);
  assert.is(broken.status, 500);
  assert.equal(await error(broken), { code: 'INTERNAL', message: 'internal error' }, 'nothing of ours leaks');
  assert.is((await fetch(`${url}/api/v1/nothing`)).status, 404);
  const wrong = await fetch(`${url}/api/v1/large`, { method: 'DELETE' });
  assert.equal([wrong.status, wrong.headers.get('allow')], [405, 'GET']);
  assert.is((await fetch(`${url}/api/v1/things/%E0%A4%A`)).status, 400, 'no percent-encoded UTF-8');
});

test('what comes with later releases says so, under each of its methods', async () => {
  const reserved: [path: string, methods: readonly string[], words: string][] = [
    ['/api/v1/alerts', ['GET'], 'alerting'],
    ['/api/v1/alerts/rules', ['GET', 'PUT', 'DELETE'], 'alerting'],
    ['/api/v1/alerts/rules/disk%20full', ['GET', 'PUT', 'DELETE'], 'alerting'],
    ['/api/v1/silences', ['GET', 'POST', 'PUT', 'DELETE'], 'alerting'],
    ['/api/v1/silences/s1', ['GET', 'PUT', 'DELETE'], 'alerting'],
    ['/api/v1/hosts/web-1', ['DELETE'], 'deleting a host'],
    ['/api/v1/query/batch', ['POST'], 'the batch query'],
    ['/api/v1/aggregate', ['GET'], 'aggregation'],
    ['/api/v1/topk', ['GET'], 'Top-K'],
  ];
  const server = await startHttpServer({ address: '127.0.0.1:0', routes: laterDashboardRoutes });
  let asked = 0;
  for (const [path, methods, what] of reserved)
    for (const method of methods) {
      asked++;
      const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
      assert.is(response.status, 501, `${method} ${path}`);
      assert.equal(await error(response), { code: 'UNIMPLEMENTED', message: `${what} is not in this release` });
    }
  assert.is(asked, laterDashboardRoutes.length, 'all of them');
  await new Promise<void>((done) => server.stop(done));
});

test('bodies: JSON, or an error that says so; too large ones are refused', async ({ url }) => {
  const put = (body: string) => fetch(`${url}/api/v1/things/x`, { method: 'PUT', body });
  assert.equal(await (await put('{"a":1}')).json(), { body: { a: 1 } });
  assert.is((await put('{')).status, 400);
  assert.is((await put(`"${'x'.repeat(1_100_000)}"`)).status, 429);
});

test('large answers are compressed for those who take it', async ({ url }) => {
  const response = await fetch(`${url}/api/v1/large`, { headers: { 'accept-encoding': 'gzip' } });
  assert.is(response.headers.get('content-encoding'), 'gzip');
  assert.is(((await response.json()) as { text: string }).text.length, 10_000);
});

test('pages, assets, and nothing outside', async ({ url }) => {
  const page = await fetch(`${url}/hosts/web-1`);
  assert.match(await page.text(), /<title>t<\/title>/);
  assert.is(page.headers.get('cache-control'), 'no-cache');
  const asset = await fetch(`${url}/assets/a-123.js`);
  assert.match(asset.headers.get('cache-control') ?? '', /immutable/);
  assert.match(asset.headers.get('content-type') ?? '', /javascript/);
  const again = await fetch(`${url}/assets/a-123.js`, {
    headers: { 'if-none-match': asset.headers.get('etag') ?? '' },
  });
  assert.is(again.status, 304);
  for (const path of ['/../outside.txt', '/%2e%2e/outside.txt', '/assets/../../outside.txt', '/no/such/page']) {
    assert.is((await fetch(`${url}${path}`)).status, 404, path);
  }
});

test('text and statuses of their own', async ({ url }) => {
  assert.is(await (await fetch(`${url}/metrics`)).text(), 'up 1\n');
  assert.is((await fetch(`${url}/readyz`)).status, 503);
});

test('an address in use is named', async ({ server }) => {
  await startHttpServer({ address: `127.0.0.1:${server.port}`, routes: [] }).then(
    () => assert.unreachable(),
    (problem: Error) => assert.match(problem.message, `cannot listen on 127.0.0.1:${server.port}: the port is in use`),
  );
});

test.run();
