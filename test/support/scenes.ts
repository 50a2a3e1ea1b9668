// Agents, subscribers and readers around a cluster in memory.
import * as assert from 'uvu/assert';
import { type Agent, createAgent } from '../../src/actors/agent.ts';
import { openSchemaTable } from '../../src/actors/agent/schema-table.ts';
import { openQueue } from '../../src/actors/stores/queue.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import type { SeriesDefinition } from '../../src/core/frame.ts';
import type { AgentId, BrokerId, HostId } from '../../src/core/ids.ts';
import { limits, type SnapshotLimits } from '../../src/core/limits.ts';
import { vedette } from '../../src/core/proto.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createMemoryCluster, type MemoryCluster } from './memory-cluster.ts';
import { createMemoryDisk } from './memory-disk.ts';

const SERIES: readonly SeriesDefinition[] = [
  { metric: 'test.counter', labels: {}, unit: '1', kind: 'counter' },
  { metric: 'test.gauge', labels: { part: 'a' }, unit: '1', kind: 'gauge' },
];

/** An agent with a made-up host. */
export function startAgent(cluster: MemoryCluster, host: string, seed: number) {
  const { clock } = cluster;
  const agent = createAgent({
    hostId: host as HostId,
    agentId: `agent-${host}` as AgentId,
    labels: { zone: 'z1' },
    version: 'test',
    intervalMs: 1_000,
    brokers: cluster.addresses,
    clients: cluster.client,
    clock,
    random: createRandom(`${seed}/${host}`),
    inspector: createInspector({ clock }),
    collector: {
      collect(timestamp) {
        return { timestamp, series: SERIES, values: Float64Array.of(timestamp / 1000, Math.sin(timestamp)) };
      },
      close() {},
    },
    queue: openQueue({
      disk: createMemoryDisk(clock),
      directory: '/queue',
      clock,
      crc32c,
      warn: () => {},
      limits: limits.agent,
    }),
    schemas: openSchemaTable(createMemoryDisk(clock), '/agent', () => {}),
    warn: () => {},
  });
  return { agent };
}

/** A subscriber that goes on from its last cursor at another broker whenever its stream breaks. */
export function startSubscriber(cluster: MemoryCluster, delivery: vedette.v1.Delivery) {
  const rows: string[] = [];
  const gaps: string[] = [];
  let cursor = '';
  let turn = 0;
  const open = () => {
    const names = new Map<number, string>();
    const source = cluster
      .client(cluster.addresses[turn++ % cluster.addresses.length] ?? '')
      .subscribe({ delivery, cursor, hostIds: ['*'], metrics: ['test.counter'] });
    source.inbox.subscribe({
      next(response) {
        for (const { schemaId, hostId } of response.schemas) names.set(schemaId ?? 0, hostId ?? '');
        for (const frame of response.frames) {
          const view = new DataView(Uint8Array.from(frame.packed ?? []).buffer);
          frame.timestampsMs?.forEach((time, at) => {
            assert.is(view.getFloat64(at * 8, true), time / 1000, 'a row holds what was recorded');
            rows.push(`${frame.hostId || names.get(frame.schemaId ?? 0)}@${time}`);
          });
        }
        if (response.gap) gaps.push(response.gap.reason ?? '');
        if (response.cursor !== '') cursor = response.cursor;
      },
      error: () => cluster.clock.after(20, open),
      complete: () => cluster.clock.after(20, open),
    });
  };
  open();
  return { rows, gaps };
}

export const allReady = (cluster: MemoryCluster) => () =>
  cluster.ids.every((id) => cluster.isRunning(id) && cluster.broker(id).health().ready);

export async function started(
  seed: number,
  brokers = 3,
  shards = 4,
  snapshots?: Partial<SnapshotLimits>,
): Promise<MemoryCluster> {
  const cluster = createMemoryCluster({
    brokers,
    shards,
    replicas: 3,
    seed,
    ...(snapshots === undefined ? {} : { snapshots }),
  });
  for (const id of cluster.ids) cluster.start(id);
  await cluster.until('all brokers are ready', allReady(cluster));
  return cluster;
}

/** Stops the agents at an instant when everything they recorded is acknowledged; returns how many rows each has recorded. */
export async function stopSettled(cluster: MemoryCluster, agents: readonly Agent[]): Promise<number[]> {
  const counts: number[] = [];
  for (const agent of agents) {
    await cluster.until('everything is acknowledged', () => agent.status.ackedRows === agent.status.sampledRows);
    counts.push(agent.status.sampledRows);
    agent.stop();
  }
  await cluster.advance(500);
  return counts;
}

/** @param at a broker, or which of the founders. */
export async function readRows(cluster: MemoryCluster, host: string, at: number | BrokerId): Promise<number[]> {
  let answer: vedette.v1.MetricsResponse | null = null;
  let failure: unknown = null;
  const address = typeof at === 'number' ? cluster.addresses[at % cluster.addresses.length] : `mem-${at}:1`;
  const client = cluster.client(address ?? '');
  client.getMetrics({ hostId: host, startTime: { seconds: 0 }, metrics: ['test.counter'] }).then(
    (response) => {
      answer = response;
    },
    (error: unknown) => {
      failure = error;
    },
  );
  await cluster.until(`rows of ${host}`, () => answer !== null || failure !== null);
  if (failure !== null) throw failure;
  const found = answer as vedette.v1.MetricsResponse | null;
  assert.ok(found?.complete);
  return found?.frame?.timestampsMs ?? [];
}
