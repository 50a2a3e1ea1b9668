// A run's options as a file has them. What a file leaves out is as in a small, quiet cluster.
import { chance, type Codec, duration, field, flag, number, oneOf, orNull, record, whole } from '../fields.ts';
import type { DiskOptions, NetworkOptions, SimOptions, SnapshotOptions, WorkloadOptions } from './options.ts';

/** Who is there, and how they agree. */
export type ClusterOptions = Pick<
  SimOptions,
  | 'members'
  | 'spares'
  | 'groups'
  | 'heartbeatMs'
  | 'electionMinMs'
  | 'electionMaxMs'
  | 'closedConnectionHint'
  | 'driftPpmMax'
  | 'snapshots'
>;

export const networkFields: Codec<NetworkOptions> = record<NetworkOptions>({
  lossChance: field('loss', chance, 0),
  duplicateChance: field('duplicate', chance, 0),
  delayMinMs: field('delay-least', duration, 0.1),
  delayMeanMs: field('delay', duration, 0.5),
  straggleChance: field('straggle', chance, 0),
  ordered: field('ordered', flag, true),
  linkMessagesMax: field('queue', whole(1, 1e6), 1000),
  closeNoticedChance: field('close-noticed', chance, 1),
});

export const diskFields: Codec<DiskOptions> = record<DiskOptions>({
  store: field('store', oneOf('store', ['memory', 'log'] as const), 'log'),
  segmentBytes: field('segment', whole(1_000, 1e9), 64_000_000),
  cacheBytes: field('cache', whole(0, 1e9), 64_000_000),
  syncMinMs: field('sync-least', duration, 0.2),
  syncMeanMs: field('sync', duration, 1),
});

export const workloadFields: Codec<WorkloadOptions> = record<WorkloadOptions>({
  clientsPerGroup: field('clients', whole(0, 100), 2),
  thinkMeanMs: field('every', duration, 10),
  readChance: field('reads', chance, 0.2),
  timeoutMs: field('timeout', duration, 1000),
  payloadBytesMax: field('bytes', whole(4, 1e6), 200),
  burstMax: field('burst', whole(1, 1000), 1),
});

const snapshotFields: Codec<SnapshotOptions> = record<SnapshotOptions>({
  everyBytes: field('every-bytes', whole(1, 1e9)),
  horizonMs: field('horizon', duration),
  tailBytesMin: field('tail-least', whole(0, 1e9), 0),
  tailBytesMax: field('tail', whole(0, 1e9)),
  windowChunks: field('window', whole(1, 1000)),
  patienceMs: field('patience', duration),
  partialMs: field('partial', duration),
});

export const clusterFields: Codec<ClusterOptions> = record<ClusterOptions>({
  members: field('brokers', whole(1, 7), 3),
  spares: field('spares', whole(0, 4), 0),
  /** The control group, and so many shards beside it. */
  groups: field('groups', whole(1, 16), 1),
  heartbeatMs: field('heartbeat', duration, 50),
  electionMinMs: field('election-least', duration, 250),
  electionMaxMs: field('election', duration, 500),
  closedConnectionHint: field('closed-connection-hint', flag, true),
  driftPpmMax: field('drift-ppm', number(0, 100_000), 0),
  snapshots: field('snapshots', orNull(snapshotFields), null),
});
