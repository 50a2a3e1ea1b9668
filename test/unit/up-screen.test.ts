// The screen of `vedette up`, as lines.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { paintFor } from '../../src/cli/paint.ts';
import { clusterFigures, noFigures } from '../../src/cli/up-figures.ts';
import { clip, renderScreen, type ScreenContent } from '../../src/cli/up-screen.ts';

const test = suite('up screen');
const plain = paintFor({ isTTY: false });
const colored = paintFor({ isTTY: true }, {});

const content: ScreenContent = {
  children: [
    { name: 'broker-1', state: 'ready', pid: 4711, restarts: 0, since: 1_000 },
    { name: 'broker-2', state: 'backingOff', pid: null, restarts: 3, since: 60_000 },
    { name: 'agent', state: 'ready', pid: 4712, restarts: 0, since: 1_000 },
  ],
  places: new Map([['broker-1', 'gRPC 127.0.0.1:7411']]),
  dashboard: '127.0.0.1:8080',
  logs: '/data/logs',
  figures: { leader: 'broker-1', leads: new Map([['broker-1', 1]]), rowsPerSecond: 1.96, hosts: 1 },
  isReady: true,
  news: ['broker-2 was killed by SIGKILL'],
  now: 61_000,
};

test('what runs where, who leads, figures, news', () => {
  const lines = renderScreen(content, plain);
  const line = (words: string) => lines.find((candidate) => candidate.includes(words)) ?? '';
  assert.match(line('vedette'), 'http://127.0.0.1:8080/');
  assert.match(
    line('broker-1 '),
    /ready +gRPC 127\.0\.0\.1:7411 +pid 4711 +60 s +leads 1 shard and the control group$/,
  );
  assert.match(line('broker-2  '), /backingOff .*pid – +1 s +restarted 3×$/);
  assert.match(line('rows/s'), '1 host · 2.0 rows/s acknowledged');
  assert.match(line('logs in'), '/data/logs');
  assert.match(lines.at(-1) ?? '', 'broker-2 was killed by SIGKILL');
});

test('what is not known yet is not made up', () => {
  const lines = renderScreen({ ...content, figures: noFigures, isReady: false, children: [] }, plain);
  assert.ok(lines.some((line) => line.includes('starting …')));
  assert.ok(lines.some((line) => line.includes('– hosts · – rows/s')));
  assert.not(lines.some((line) => line.includes('http://')));
});

test('a line fits its terminal, whatever its colours', () => {
  const text = `${colored('green', '●')} ${colored('bold', 'name')} and more`;
  assert.is(clip(text, 100), text);
  assert.is(clip('● name and more', 6), '● name\x1b[0m');
  const visible = (line: string) => line.replaceAll('\x1b', '').replace(/\[\d+m/g, '');
  assert.is(visible(clip(text, 6)), '● name');
  assert.is(visible(clip(text, 0)), '');
});

test('colours only where somebody sees them', () => {
  assert.is(plain('red', 'x'), 'x');
  assert.is(colored('red', 'x'), '\x1b[31mx\x1b[39m');
  assert.is(paintFor({ isTTY: true }, { NO_COLOR: '1' })('red', 'x'), 'x');
  assert.is(paintFor({ isTTY: true }, { TERM: 'dumb' })('red', 'x'), 'x');
});

test('figures: over all brokers, and no rate while one is away', async () => {
  const rows = [100, 200];
  const servers = rows.map((_, at) =>
    createServer((request, response) => {
      const body =
        request.url === '/api/v1/cluster/status'
          ? { leader: 'b1', shards: [{ leader: 'b1' }, { leader: 'b2' }, { leader: 'b1' }, { leader: null }] }
          : { ackedRows: rows[at], hosts: 3 };
      response.setHeader('Connection', 'close').end(JSON.stringify(body));
    }),
  );
  await Promise.all(servers.map((server) => new Promise<void>((done) => server.listen(0, '127.0.0.1', done))));
  let brokers = servers.map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`);
  const look = clusterFigures(() => brokers, 2);
  const first = await look();
  assert.equal(first, {
    leader: 'b1',
    leads: new Map([
      ['b1', 2],
      ['b2', 1],
    ]),
    rowsPerSecond: null,
    hosts: 3,
  });
  rows[0] = 150;
  assert.ok(((await look()).rowsPerSecond ?? 0) > 0);
  rows[0] = 1;
  assert.is((await look()).rowsPerSecond, null, 'one was started again');
  await new Promise((done) => servers[0]?.close(done));
  const without = await look();
  assert.is(without.rowsPerSecond, null);
  assert.is(without.hosts, null);
  assert.is(without.leader, 'b1', 'another one answers');
  brokers = brokers.slice(1);
  assert.is((await look()).hosts, 3, 'it has left: the other one is all there is');
  await new Promise((done) => servers[1]?.close(done));
  assert.equal(await look(), noFigures);
});

test.run();
