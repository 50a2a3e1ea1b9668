// The agent against a broker that the test plays: what it sends, when it gives a row up, and what a full host reports.
import { Subject } from 'rxjs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSampleBuilder } from '../../src/actors/agent/sample-builder.ts';
import { openSchemaTable } from '../../src/actors/agent/schema-table.ts';
import { createAgent } from '../../src/actors/agent.ts';
import type { MonitorClient } from '../../src/actors/monitor-client.ts';
import { openQueue } from '../../src/actors/stores/queue.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import type { AgentId, HostId } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import { vedette } from '../../src/core/proto.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createMemoryDisk } from '../support/memory-disk.ts';

const test = suite('agent');

interface Session {
  readonly requests: vedette.v1.IReportRequest[];
  answer(response: vedette.v1.IReportResponse): void;
  lose(): void;
}

const BROKERS = ['a:1', 'b:1', 'c:1'];

/** @param refused is it refused at this address now? */
function start({
  brokers = ['b:1'],
  refused = () => false,
  seed = 1,
}: {
  brokers?: readonly string[];
  refused?: (address: string) => boolean;
  seed?: number;
} = {}) {
  const clock = createVirtualClock();
  const disk = createMemoryDisk(clock);
  const sessions: Session[] = [];
  const warnings: string[] = [];
  let refusals = 0;
  const client = (address: string): MonitorClient => ({
    address,
    reportMetrics() {
      const inbox = new Subject<vedette.v1.ReportResponse>();
      const requests: vedette.v1.IReportRequest[] = [];
      if (refused(address)) {
        refusals++;
        clock.after(1, () => inbox.error(new Error('connection refused')));
      } else
        sessions.push({
          lose: () => inbox.error(new Error('it is gone')),
          requests,
          answer: (response) => inbox.next(vedette.v1.ReportResponse.create(response)),
        });
      return { inbox, outbox: { next: (request) => requests.push(request), error() {}, complete() {} } };
    },
    getMetrics: () => Promise.reject(new Error('not asked for')),
    listHosts: () => Promise.reject(new Error('not asked for')),
    listBrokers: () => Promise.resolve(vedette.v1.ListBrokersResponse.create({})),
    subscribe() {
      throw new Error('not asked for');
    },
    close() {},
  });
  const agent = createAgent({
    hostId: 'h' as HostId,
    agentId: 'a' as AgentId,
    labels: {},
    version: 'test',
    intervalMs: 1_000,
    brokers,
    clients: client,
    clock,
    random: createRandom(seed),
    inspector: createInspector({ clock }),
    collector: {
      collect: (timestamp) => ({
        timestamp,
        series: [{ metric: 'm', labels: {}, unit: '1', kind: 'gauge' }],
        values: Float64Array.of(1),
      }),
      close() {},
    },
    queue: openQueue({ disk, directory: '/q', clock, crc32c, warn: () => {}, limits: limits.agent }),
    schemas: openSchemaTable(disk, '/q', () => {}),
    warn: (message) => warnings.push(message),
  });
  const batches = (session: Session | undefined) =>
    (session?.requests ?? []).flatMap(({ batch }) => (batch === null || batch === undefined ? [] : [batch]));
  return { clock, sessions, warnings, agent, batches, refusals: () => refusals };
}

const HELLO_ANSWER = { sendWindow: 4, heartbeatIntervalMs: 5_000 };

test('a schema that every broker refuses stops its own rows, and nothing else', () => {
  const { clock, sessions, warnings, agent, batches } = start();
  sessions[0]?.answer(HELLO_ANSWER);
  clock.advance(1_500);
  for (let answered = 0; answered < 50; answered++) {
    const session = sessions.at(-1);
    const [batch] = batches(session).slice(-1);
    if (session === undefined) break;
    if (session.requests.length > 0 && batches(session).length === 0) session.answer(HELLO_ANSWER);
    else if (batch !== undefined)
      session.answer({
        ...HELLO_ANSWER,
        ackedSequence: batch.sequence ?? 0,
        unknownSchemas: [1],
        rejections: [{ sequence: batch.sequence ?? 0, code: 'over_limit', reason: 'too many series' }],
      });
    clock.advance(200);
  }
  assert.is(sessions.length, 2, 'one new session to announce it anew, not one after another');
  assert.is(agent.status.queuedRows, 0);
  assert.ok(agent.status.rejectedFrames > 0);
  assert.ok(
    warnings.some((warning) => /over_limit.*too many series/.test(warning)),
    warnings.join('\n'),
  );
  agent.stop();
});

test('a schema that one broker forgot is announced to the next, and no row is lost', () => {
  const { clock, sessions, agent, batches } = start();
  sessions[0]?.answer({ ...HELLO_ANSWER, sendWindow: 0 });
  clock.advance(2_500);
  sessions[0]?.answer(HELLO_ANSWER);
  const sent = batches(sessions[0])[0];
  const times = sent?.frames?.flatMap(({ timestampsMs }) => timestampsMs ?? []);
  assert.is(times?.length, 2);
  sessions[0]?.answer({ ...HELLO_ANSWER, ackedSequence: 1, unknownSchemas: [1] });
  clock.advance(100);
  sessions[1]?.answer(HELLO_ANSWER);
  const again = batches(sessions[1])[0];
  assert.equal(
    again?.frames?.flatMap(({ timestampsMs }) => timestampsMs ?? []),
    times,
  );
  assert.is(again?.schemas?.length, 1, 'announced anew');
  agent.stop();
});

test('all brokers were away: as soon as one is back it is found, within the longest wait and a round, and what was sampled meanwhile is sent', () => {
  for (let seed = 1; seed <= 30; seed++)
    for (const away of [2_000, 6_000, 60_000]) {
      let back: string | null = 'a:1';
      const isBack = (address: string) => back === address || back === 'all';
      const world = start({ brokers: BROKERS, refused: (address) => !isBack(address), seed });
      const { clock, sessions, agent, batches, refusals } = world;
      while (sessions.length === 0) assert.ok(clock.monotonic() < 1_000 && clock.step());
      sessions[0]?.answer(HELLO_ANSWER);
      clock.advance(1_500);
      sessions[0]?.answer({ ...HELLO_ANSWER, ackedSequence: batches(sessions[0]).length });
      back = null;
      const before = refusals();
      sessions[0]?.lose();
      clock.advance(away);
      // 10,000 agents: no more than 30,000 a second.
      const most = 30 + (3 * away) / 600;
      assert.ok(refusals() - before < most, `seed ${seed}: ${refusals() - before} attempts in ${away} ms`);
      back = BROKERS[seed % 3] ?? '';
      const since = clock.monotonic();
      while (sessions.length === 1)
        assert.ok(clock.monotonic() - since <= limits.agent.backoffMaxMs + 70 && clock.step(), `seed ${seed}`);
      sessions[1]?.answer(HELLO_ANSWER);
      const rows = batches(sessions[1]).flatMap(({ frames }) =>
        (frames ?? []).flatMap(({ timestampsMs }) => timestampsMs ?? []),
      );
      assert.ok(rows.length >= away / 1_000 && rows.length === agent.status.queuedRows, `${rows.length} rows`);
      agent.stop();
    }
});

test('a host with more series than are taken reports the first ones, and says so once', () => {
  const told: number[] = [];
  const builder = createSampleBuilder(2, (more) => told.push(more));
  for (let sample = 0; sample < 3; sample++) {
    for (const value of [1, 2, 3, 4]) builder.add('system.cpu.time', { 'cpu.mode': `m${value}` }, value);
    assert.equal(Array.from(builder.finish(sample).values), [1, 2]);
  }
  assert.equal(told, [2]);
});

test.run();
