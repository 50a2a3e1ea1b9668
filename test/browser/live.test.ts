// watchdog: 150s
// needs: chromium
/// <reference lib="dom" />
// The whole way, as a person has it: `vedette up`, this host's real metrics in a real browser, and processes that are killed or stand
// still while it is watched.
//
// How long rows stay away at a death is printed, not asserted: it is as long as the machine is busy, and the tests share theirs with
// others. What is asserted follows from no clock but the deadlines: that rows go on, and that none is missing. What a failover takes is
// measured by `vedette bench failover`.
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import type { Browser, Page } from 'playwright-core';
import { createNodeDisk } from '../../src/actors/stores/node-disk.ts';
import { openQueue } from '../../src/actors/stores/queue.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import { limits } from '../../src/core/limits.ts';
import { vedette } from '../../src/core/proto.ts';
import { createRealClock } from '../../src/streams/real-clock.ts';
import { launchBrowser } from '../support/browser.ts';
import { type ClusterProcess, startCluster } from '../support/cluster-process.ts';
import { tempDirectory } from '../support/temp.ts';
import { until } from '../support/until.ts';

interface Rows {
  readonly timestamps: number[];
  readonly complete: boolean;
}
interface Hosts {
  readonly hosts: { readonly hostId: string; readonly state: string; readonly owner: string }[];
}

interface Status {
  readonly brokers?: readonly { readonly state: string }[];
  readonly shards?: readonly { readonly leader: string | null }[];
}

interface Context {
  cluster: ClusterProcess;
  browser: Browser;
  page: Page;
  host: string;
  problems: string[];
}

const test = suite<Context>('live');

/** Of the newest row on the page, in seconds. */
const newestOn = async (page: Page) => Number(await page.locator('.charts').getAttribute('data-newest'));

const allIsWell = (cluster: ClusterProcess) =>
  until(
    'all brokers are up, all shards are led',
    async () => {
      const { brokers, shards } = (await cluster.json('/api/v1/cluster/status')) as Status;
      return (
        brokers?.every(({ state }) => state === 'up') === true &&
        shards?.every(({ leader }) => leader !== null) === true
      );
    },
    15_000,
  );

const rowsOf = async (cluster: ClusterProcess, host: string) =>
  (await cluster.json(`/api/v1/hosts/${host}/metrics?metrics=system.uptime&start=0`)) as Rows;

async function everySecondOnce(cluster: ClusterProcess, host: string): Promise<void> {
  const rows = await rowsOf(cluster, host);
  assert.ok(rows.complete);
  const steps = rows.timestamps.slice(1).map((time, at) => time - (rows.timestamps[at] ?? 0));
  assert.equal(
    steps.filter((step) => step !== 1000),
    [],
    'a row every second, each once',
  );
}

/**
 * The times of all rows that an agent has recorded, of a copy of its queue: without the note of what was acknowledged every row counts
 * that its files hold, and the one being written keeps its acknowledged rows.
 */
function recordedIn(data: string): number[] {
  const directory = tempDirectory('recorded');
  const origin = join(data, 'agent', 'queue');
  for (const name of readdirSync(origin)) if (name.endsWith('.q')) cpSync(join(origin, name), join(directory, name));
  const warn = (message: string) => assert.unreachable(message);
  const ports = { disk: createNodeDisk(), directory, clock: createRealClock(), crc32c, warn, limits: limits.agent };
  const queue = openQueue(ports);
  const records = queue.readFrom(1, Number.MAX_SAFE_INTEGER);
  queue.close();
  return records.map(({ record }) => vedette.v1.QueuedRow.decode(record).timestampMs);
}

test.before(async (context) => {
  context.cluster = await startCluster();
  context.browser = await launchBrowser();
  context.problems = [];
});

test.after(async (context) => {
  await context.browser.close();
  if (context.cluster.process.exitCode === null) await context.cluster.stop();
});

test('this host appears, online, with its CPU in figures', async (context) => {
  const { cluster, browser, problems } = context;
  const page = await browser.newPage();
  context.page = page;
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') problems.push(message.text());
  });
  await page.goto(cluster.url);
  const row = page.locator('tr[data-host]').first();
  await row.waitFor({ timeout: 15_000 });
  context.host = (await row.getAttribute('data-host')) ?? '';
  await page.locator('tr[data-host] .pill[data-state="online"]').waitFor({ timeout: 15_000 });
  await until('the CPU is shown', async () => /\d %/.test(await row.locator('.figure').first().innerText()), 15_000);
  assert.equal(problems, []);
});

test("a host's charts are drawn and move", async ({ page, host, problems }) => {
  await page.locator(`tr[data-host="${host}"] a`).click();
  await page.locator('.charts canvas').first().waitFor({ timeout: 10_000 });
  const titles = await page.locator('.chart figcaption').allInnerTexts();
  for (const wanted of ['CPU', 'Memory', 'Load', 'File systems'])
    assert.ok(titles.includes(wanted), `${wanted} among ${titles}`);
  const before = await newestOn(page);
  await until('newer rows come', async () => (await newestOn(page)) >= before + 2);
  assert.equal(problems, []);
});

test('each broker killed in turn: the page goes on, and no row is missing', async ({ cluster, page, host }) => {
  await page.evaluate(() => {
    const arrivals: number[] = [];
    const badge = document.querySelector('.badge');
    if (badge === null) throw new Error('no badge');
    new MutationObserver(() => arrivals.push(performance.now())).observe(badge, { attributeFilter: ['data-last-row'] });
    Object.assign(globalThis, { arrivals });
  });
  const arrivals = () => page.evaluate(() => (globalThis as unknown as { arrivals: number[] }).arrivals);
  for (const broker of ['broker-1', 'broker-2', 'broker-3']) {
    const pid = await cluster.pid(broker);
    const from = await newestOn(page);
    const count = (await arrivals()).length;
    process.kill(pid, 'SIGKILL');
    await until(`rows after the death of ${broker}`, async () => (await newestOn(page)) >= from + 4, 15_000);
    const since = (await arrivals()).slice(Math.max(0, count - 1));
    const gaps = since.slice(1).map((at, index) => at - (since[index] ?? at));
    process.stdout.write(
      `# ${broker} killed: largest gap between rows on the page ${Math.round(Math.max(...gaps))} ms\n`,
    );
    await until(`${broker} is back`, async () => (await cluster.pid(broker).catch(() => pid)) !== pid, 15_000);
    await allIsWell(cluster);
  }
  await everySecondOnce(cluster, host);
});

test('the broker that leads the shard of the host stands still: the page goes on, and no row is missing', async (context) => {
  const { cluster, page, host } = context;
  const { hosts } = (await cluster.json('/api/v1/hosts')) as Hosts;
  const leader = hosts.find(({ hostId }) => hostId === host)?.owner ?? '';
  const pid = await cluster.pid(leader);
  const from = await newestOn(page);
  process.kill(pid, 'SIGSTOP');
  try {
    // The rows are the clock: when these are there, it has stood still for five seconds at least.
    await until(`rows while ${leader} stands still`, async () => (await newestOn(page)) >= from + 6, 25_000);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  const resumed = await newestOn(page);
  await allIsWell(cluster);
  await until(`rows with ${leader} again`, async () => (await newestOn(page)) >= resumed + 2, 15_000);
  assert.is(await cluster.pid(leader), pid, 'it was not started again');
  await everySecondOnce(cluster, host);
});

test('the dashboard killed: the page comes back by itself, without a hole', async ({ cluster, page }) => {
  const from = await newestOn(page);
  process.kill(await cluster.pid('dashboard'), 'SIGKILL');
  await until('rows after the death of the dashboard', async () => (await newestOn(page)) >= from + 4, 20_000);
  const rows = Number(await page.locator('.charts').getAttribute('data-rows'));
  assert.ok(rows > 5, 'the page has kept what it had');
});

test('the agent killed: its rows go on, and what it had recorded is there, each row once', async ({
  cluster,
  host,
}) => {
  const pid = await cluster.pid('agent');
  // It stands still while its files are read, so that it records nothing that we do not know of.
  process.kill(pid, 'SIGSTOP');
  const recorded = recordedIn(cluster.data);
  process.kill(pid, 'SIGKILL');
  const last = recorded.at(-1) ?? 0;
  assert.ok(recorded.length > 20, `${recorded.length} rows recorded`);
  let rows: Rows = { timestamps: [], complete: false };
  await until(
    'rows of a new agent',
    async () => {
      rows = await rowsOf(cluster, host);
      return (rows.timestamps.at(-1) ?? 0) >= last + 3_000;
    },
    20_000,
  );
  assert.ok(rows.complete);
  assert.equal(
    rows.timestamps.filter((time) => time <= last),
    recorded,
  );
  assert.is(new Set(rows.timestamps).size, rows.timestamps.length);
  const { hosts } = (await cluster.json('/api/v1/hosts')) as Hosts;
  assert.equal(
    hosts.map(({ hostId, state }) => [hostId, state]),
    [[host, 'online']],
  );
});

test('the machines page lists the statecharts of the brokers and of the dashboard', async ({
  cluster,
  browser,
  page,
}) => {
  // The page that shows the host stays open beside the list: its subscription is the dashboard's.
  await page.locator('.charts canvas').first().waitFor();
  const list = await browser.newPage();
  await list.goto(`${cluster.url}/machines`);
  let ids: string[] = [];
  const wanted = ['broker-1/raft/control', 'broker-2/broker', 'broker-3/peer/broker-1', 'dashboard/subscription/'];
  await until('each kind is listed', async () => {
    ids = await list.locator('.machines tbody th').allInnerTexts();
    return wanted.every((beginning) => ids.some((id) => id.startsWith(beginning)));
  }).catch(() => assert.unreachable(`${wanted.join(', ')} should be among ${ids.join(', ')}`));
});

test('SIGTERM: everything ends, nothing is left behind', async ({ cluster, browser }) => {
  const pids = await Promise.all(
    ['broker-1', 'broker-2', 'broker-3', 'agent', 'dashboard'].map((name) => cluster.pid(name)),
  );
  await browser.close();
  const code = await cluster.stop();
  assert.is(code, 0, cluster.output());
  for (const pid of pids) assert.throws(() => process.kill(pid, 0), /ESRCH/);
});

test.run();
