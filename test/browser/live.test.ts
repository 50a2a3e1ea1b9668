// watchdog: 150s
// needs: chromium
/// <reference lib="dom" />
// The whole way, as a person has it: `vedette up`, this host's real metrics in a real browser, and processes that are killed while
// it is watched. Times are printed, not asserted, but for what a person would call broken.
import * as assert from 'uvu/assert';
import { suite } from 'uvu';
import type { Browser, Page } from 'playwright-core';
import { launchBrowser } from '../support/browser.ts';
import { type ClusterProcess, startCluster } from '../support/cluster-process.ts';
import { until } from '../support/until.ts';

interface Rows {
  readonly timestamps: number[];
  readonly complete: boolean;
}
interface Hosts {
  readonly hosts: { readonly hostId: string; readonly state: string }[];
}

interface Context {
  cluster: ClusterProcess;
  browser: Browser;
  page: Page;
  host: string;
  problems: string[];
}

const test = suite<Context>('live');

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
  const newest = async () => Number(await page.locator('.charts').getAttribute('data-newest'));
  const before = await newest();
  await until('newer rows come', async () => (await newest()) >= before + 2);
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
  const newest = async () => Number(await page.locator('.charts').getAttribute('data-newest'));
  for (const broker of ['broker-1', 'broker-2', 'broker-3']) {
    const pid = await cluster.pid(broker);
    const from = await newest();
    const count = (await arrivals()).length;
    process.kill(pid, 'SIGKILL');
    await until(`rows after the death of ${broker}`, async () => (await newest()) >= from + 4, 15_000);
    const since = (await arrivals()).slice(Math.max(0, count - 1));
    const gaps = since.slice(1).map((at, index) => at - (since[index] ?? at));
    process.stdout.write(
      `# ${broker} killed: largest gap between rows on the page ${Math.round(Math.max(...gaps))} ms\n`,
    );
    await until(`${broker} is back`, async () => (await cluster.pid(broker).catch(() => pid)) !== pid, 15_000);
    await until(
      'all brokers are up',
      async () => {
        const status = (await cluster.json('/api/v1/cluster/status')) as {
          brokers?: { state: string }[];
          shards?: { leader: string | null }[];
        };
        return (
          status.brokers?.every(({ state }) => state === 'up') === true &&
          status.shards?.every(({ leader }) => leader !== null) === true
        );
      },
      15_000,
    );
  }
  const rows = (await cluster.json(`/api/v1/hosts/${host}/metrics?metrics=system.cpu.utilization&start=0`)) as Rows;
  assert.ok(rows.complete);
  const steps = rows.timestamps.slice(1).map((time, at) => time - (rows.timestamps[at] ?? 0));
  assert.equal(
    steps.filter((step) => step !== 1000),
    [],
    'a row every second, each once',
  );
});

test('the dashboard killed: the page comes back by itself, without a hole', async ({ cluster, page }) => {
  const newest = async () => Number(await page.locator('.charts').getAttribute('data-newest'));
  const from = await newest();
  process.kill(await cluster.pid('dashboard'), 'SIGKILL');
  await until('rows after the death of the dashboard', async () => (await newest()) >= from + 4, 20_000);
  const rows = Number(await page.locator('.charts').getAttribute('data-rows'));
  assert.ok(rows > 5, 'the page has kept what it had');
});

test('the agent killed: its rows go on', async ({ cluster, host }) => {
  const last = async () =>
    ((await cluster.json(`/api/v1/hosts/${host}/metrics?metrics=system.uptime`)) as Rows).timestamps.at(-1) ?? 0;
  const from = await last();
  process.kill(await cluster.pid('agent'), 'SIGKILL');
  await until('rows of a new agent', async () => (await last()) >= from + 3_000, 20_000);
  const { hosts } = (await cluster.json('/api/v1/hosts')) as Hosts;
  assert.equal(
    hosts.map(({ hostId, state }) => [hostId, state]),
    [[host, 'online']],
  );
});

test('the machines page lists the statecharts of all brokers', async ({ cluster, page }) => {
  await page.goto(`${cluster.url}/machines`);
  await page.locator('.machines tbody tr').first().waitFor();
  const ids = await page.locator('.machines tbody th').allInnerTexts();
  for (const wanted of [
    'broker-1/raft/control',
    'broker-2/broker',
    'broker-3/peer/broker-1',
    'dashboard/subscription/1',
  ]) {
    assert.ok(ids.includes(wanted) || wanted.startsWith('dashboard'), `${wanted} is listed`);
  }
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
