// One subscription: reads the log of every shard here by index, asks other brokers for the shards that are not here, and delivers
// what was asked for, with a cursor that covers exactly that.
import { Subscription } from 'rxjs';
import { decodeCursor, encodeCursor } from '../../core/cursor.ts';
import { describeError, invalidArgument, unavailable, VedetteError } from '../../core/errors.ts';
import type { AppliedEntry, HostRecord, RowBlock } from '../../core/frame.ts';
import type { ClusterId, LogIndex, Millis, ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { matchNames, matchSeries } from '../../core/names.ts';
import { vedette } from '../../core/proto.ts';
import { type SubscriptionEffect, subscriptionMachine } from '../../machines/subscription.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import { type Inspector, statePaths } from '../../streams/inspector.ts';
import type { Random } from '../../streams/random.ts';
import { runMachine } from '../../streams/run-machine.ts';
import type { Sink } from '../../streams/sink.ts';
import type { Directory } from '../directory.ts';
import type { Shard } from '../shard.ts';
import { conflate } from './conflation.ts';
import { openRemoteFeed, type RemoteFeed } from './remote-feed.ts';
import { createRowEncoder } from './row-encoder.ts';

export interface SubscriptionPorts {
  /** BROKER/subscription/N. */
  readonly machineId: string;
  readonly request: vedette.v1.SubscribeRequest;
  readonly sink: Sink<vedette.v1.ISubscribeResponse>;
  /** Another broker asks: only what is here. */
  readonly forwarded: boolean;
  readonly directory: Directory;
  readonly cluster: ClusterId;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
  readonly ended: () => void;
}

const { gatherMs, readBytes, signOfLifeMs, patternsMax, horizonMs } = limits.subscriptions;

/** @throws VedetteError INVALID_ARGUMENT naming the field. */
export function openSubscription(ports: SubscriptionPorts): { close(error: VedetteError): void } {
  const { request, sink, directory, cluster, clock } = ports;
  if (request.hostIds.length > patternsMax) throw invalidArgument('host_ids', `at most ${patternsMax} names or globs`);
  if (request.metrics.length > patternsMax) throw invalidArgument('metrics', `at most ${patternsMax} names or globs`);
  if (request.maxRateHz < 0 || Number.isNaN(request.maxRateHz))
    throw invalidArgument('max_rate_hz', 'max_rate_hz must not be negative');
  const every = request.delivery === vedette.v1.Delivery.EVERY;
  if (every && request.maxRateHz > 0)
    throw invalidArgument('max_rate_hz', 'EVERY delivers every row: max_rate_hz goes with LATEST');
  const wantsHost = matchNames(request.hostIds);
  const encoder = createRowEncoder(matchSeries(request.metrics));
  const wantedShards =
    request.shards.length > 0 ? request.shards : Array.from({ length: directory.shardCount }, (_, shard) => shard);
  const local = wantedShards.flatMap((shard) => directory.shards.get(shard) ?? []);
  if (ports.forwarded && local.length < wantedShards.length)
    throw unavailable('this broker does not hold all of these shards');
  const remote = ports.forwarded ? [] : wantedShards.filter((shard) => !directory.shards.has(shard));
  const { positions, gaps, since } = begin();
  const feeds: RemoteFeed[] = [];
  const subscriptions = new Subscription();
  let gathering: Timer | null = null;
  let signOfLife: Timer | null = null;
  let reading = false;
  let wasFull = false;
  let closed = false;

  const machine = runMachine<typeof subscriptionMachine, SubscriptionEffect>(subscriptionMachine, {
    id: ports.machineId,
    kind: 'subscription',
    input: undefined,
    clock,
    inspector: ports.inspector,
    onEffect: () => pump(),
  });
  const tell = (type: 'opened' | 'caughtUp' | 'news' | 'full' | 'drained' | 'feedLost' | 'feedResumed' | 'ended') =>
    machine.send({ type, at: clock.monotonic() });
  const isLagging = () => statePaths(machine.snapshot.value) === 'lagging';

  /** Where each shard's delivery begins: positions hold the last entry that is not wanted any more. */
  function begin(): { positions: LogIndex[]; gaps: vedette.v1.IGap[]; since: Millis } {
    const given = request.cursor === '' ? null : decodeCursor(request.cursor, cluster, directory.shardCount);
    const since = given === null ? clock.now() - Math.min(request.backfillMs, horizonMs) : 0;
    const gaps: vedette.v1.IGap[] = [];
    const positions = Array.from({ length: directory.shardCount }, (_, shard) => {
      const here = directory.shards.get(shard);
      if (given !== null) return given.shards[shard] ?? 0;
      if (here === undefined) return 0;
      return request.backfillMs === 0 ? here.appliedIndex : here.indexAt(since) - 1;
    });
    if (given === null && request.backfillMs > horizonMs) {
      gaps.push({
        fromMs: clock.now() - request.backfillMs,
        toMs: since,
        reason: `at most ${horizonMs / 60_000} minutes are backfilled`,
      });
    }
    for (const { id, firstReadable } of local) {
      if ((positions[id] ?? 0) + 1 >= firstReadable) continue;
      gaps.push({ fromMs: 0, toMs: since, reason: `shard ${id} keeps entries from ${firstReadable} on` });
      positions[id] = firstReadable - 1;
    }
    return { positions, gaps, since };
  }

  function news(): void {
    if (gathering !== null || closed) return;
    // LATEST with a rate delivers at that rate; else what comes within a few milliseconds goes together.
    const wait = request.maxRateHz > 0 ? Math.max(gatherMs, 1000 / request.maxRateHz) : gatherMs;
    gathering = clock.after(wait, () => {
      gathering = null;
      tell('news');
    });
  }

  const behind = (): Shard | undefined => local.find(({ id, appliedIndex }) => appliedIndex > (positions[id] ?? 0));

  /** Reads what every shard here has applied since, in chunks; each chunk is one response under EVERY, all together are conflated else. */
  function pump(): void {
    if (reading || closed) return;
    const conflating = !every && (request.maxRateHz > 0 || wasFull);
    const gathered: { blocks: RowBlock[]; events: vedette.v1.IEvent[] } = { blocks: [], events: [] };
    readOn();

    function readOn(): void {
      const shard = behind();
      if (shard === undefined || isLagging()) return finish();
      reading = true;
      shard.readEntries((positions[shard.id] ?? 0) + 1, readBytes, (error, entries) => {
        reading = false;
        if (closed) return;
        if (error !== null) return end(new VedetteError('UNAVAILABLE', describeError(error)));
        gather(shard.id, entries);
        const enough = gathered.blocks.reduce((bytes, { values }) => bytes + values.byteLength, 0) >= readBytes;
        if (enough && conflating) gathered.blocks = [...keepNewest(gathered.blocks)];
        if (enough && !conflating) deliver();
        readOn();
      });
    }

    function gather(shard: ShardId, entries: readonly AppliedEntry[]): void {
      for (const { index, stampMs, rows, hosts } of entries) {
        positions[shard] = index;
        // A time is found in the log only roughly: what is older than asked for is passed over.
        if (stampMs < since) continue;
        for (const block of rows) if (wantsHost(block.schema.host)) gathered.blocks.push(block);
        if (request.events)
          for (const record of hosts) if (wantsHost(record.host)) gathered.events.push(eventOf(record, stampMs));
      }
    }

    function deliver(): void {
      const { blocks, events } = gathered;
      if (blocks.length + events.length === 0) return;
      gathered.blocks = [];
      gathered.events = [];
      send(conflating ? keepNewest(blocks) : blocks, events);
    }

    function finish(): void {
      deliver();
      if (!isLagging()) {
        wasFull = false;
        tell('caughtUp');
      }
    }
  }

  let leftOut = 0;
  function keepNewest(blocks: readonly RowBlock[]): readonly RowBlock[] {
    const conflated = conflate(blocks);
    leftOut += conflated.leftOut;
    return conflated.blocks;
  }

  function send(blocks: readonly RowBlock[], events: vedette.v1.IEvent[]): void {
    const schemas: vedette.v1.ISchema[] = [];
    const frames = blocks.flatMap((block) => encoder.frame(block, schemas) ?? []);
    if (frames.length + events.length + leftOut === 0) return;
    const conflatedRows = leftOut;
    leftOut = 0;
    put({ cursor: cursor(), frames, events, schemas, conflatedRows });
  }

  const cursor = () => encodeCursor(cluster, { control: 0, shards: positions });

  function put(response: vedette.v1.ISubscribeResponse): void {
    lifeGoesOn();
    if (sink.send(response)) return;
    wasFull = true;
    for (const feed of feeds) feed.pause();
    tell('full');
  }

  /** An idle stream's cursor moves on as well; and its reader sees that it lives. */
  function lifeGoesOn(): void {
    signOfLife?.cancel();
    signOfLife = clock.after(signOfLifeMs, () => {
      if (!isLagging()) put({ cursor: cursor() });
      else lifeGoesOn();
    });
  }

  function end(error?: VedetteError): void {
    if (closed) return;
    closed = true;
    tell('ended');
    machine.stop();
    gathering?.cancel();
    signOfLife?.cancel();
    subscriptions.unsubscribe();
    for (const feed of feeds) feed.close();
    sink.close(error);
    ports.ended();
  }

  for (const shard of local) subscriptions.add(shard.applied.subscribe(news));
  subscriptions.add(
    sink.drained.subscribe(() => {
      for (const feed of feeds) feed.resume();
      tell('drained');
    }),
  );
  subscriptions.add(sink.closed.subscribe(() => end()));
  for (const shards of bySameReplicas(directory, remote)) feeds.push(openFeed(shards));
  for (const gap of gaps) put({ cursor: '', gap });
  put({ cursor: cursor() });
  tell('opened');
  return { close: end };

  function openFeed(shards: readonly ShardId[]): RemoteFeed {
    let numbers = new Map<number, number>();
    return openRemoteFeed({
      directory,
      cluster,
      clock,
      random: ports.random,
      shards,
      request,
      positions,
      fromPositions: request.cursor !== '',
      began: () => {
        numbers = new Map();
      },
      lost: () => tell('feedLost'),
      data: (response) => {
        tell('feedResumed');
        const schemas = response.schemas.map((schema) => {
          const renumbered = encoder.renumber(schema);
          numbers.set(schema.schemaId ?? 0, renumbered.schemaId);
          return renumbered;
        });
        const frames = response.frames.map((frame) => ({ ...frame, schemaId: numbers.get(frame.schemaId ?? 0) ?? 0 }));
        const { events, conflatedRows, gap } = response;
        if (frames.length + events.length + conflatedRows === 0 && (gap === null || gap === undefined)) return;
        put({
          cursor: cursor(),
          frames,
          events,
          schemas,
          conflatedRows,
          ...(gap === null || gap === undefined ? {} : { gap }),
        });
      },
    });
  }
}

function eventOf({ host, state }: HostRecord, atMs: Millis): vedette.v1.IEvent {
  return { kind: 'host', subject: host, state, message: `${host} is ${state}`, atMs };
}

/** One stream serves all shards that live on the same brokers. */
function bySameReplicas(directory: Directory, shards: readonly ShardId[]): ShardId[][] {
  const groups = new Map<string, ShardId[]>();
  for (const shard of shards) {
    const key = [...directory.replicasOf(shard)].sort().join();
    const group = groups.get(key) ?? [];
    group.push(shard);
    groups.set(key, group);
  }
  return [...groups.values()];
}
