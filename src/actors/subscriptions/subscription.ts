// One subscription: takes from its feeds what the chart (machines/subscription.ts) lets it, and delivers it with a cursor that covers
// exactly what was delivered up to then.
//
//   feeds ──parcels──▶ one response per turn, within its bytes ──▶ sink        EVERY; LATEST while it keeps up
//                └───▶ the newest rows of each host ──▶ response ──▶ sink       LATEST that lags, or asked for a rate
import { Subscription } from 'rxjs';
import { NOT_BEGUN } from '../../core/cursor.ts';
import { VedetteError } from '../../core/errors.ts';
import type { ClusterId, Millis, ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { vedette } from '../../core/proto.ts';
import { sizeText } from '../../core/units.ts';
import { type SubscriptionEffect, type SubscriptionEvent, subscriptionMachine } from '../../machines/subscription.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { Inspector } from '../../streams/inspector.ts';
import type { Random } from '../../streams/random.ts';
import { backoffDelay } from '../../streams/retry.ts';
import { runMachine } from '../../streams/run-machine.ts';
import type { Sink } from '../../streams/sink.ts';
import type { Directory } from '../directory.ts';
import { createConflation } from './conflation.ts';
import { createPositions, type Feed } from './feed.ts';
import { createFeeds } from './feeds.ts';
import { createNewestRows } from './newest-rows.ts';
import { createOutgoing } from './outgoing.ts';
import { checkTerms } from './request.ts';
import type { Selections } from './selection.ts';
import type { Tails } from './tails.ts';

export interface SubscriptionPorts {
  /** BROKER/subscription/N. */
  readonly machineId: string;
  readonly request: vedette.v1.SubscribeRequest;
  readonly sink: Sink<vedette.v1.ISubscribeResponse>;
  /** Another broker asks: only what is here. */
  readonly forwarded: boolean;
  readonly directory: Directory;
  readonly cluster: ClusterId;
  readonly tails: Tails;
  readonly selections: Selections;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
  /** How far back it may begin without a cursor. */
  readonly backfillMaxMs: Millis;
  /** Called once, perhaps before `openSubscription` has returned. */
  readonly ended: () => void;
}

const bounds = limits.subscriptions;
type Told = SubscriptionEvent extends infer Event ? (Event extends unknown ? Omit<Event, 'at'> : never) : never;

/** @throws VedetteError INVALID_ARGUMENT naming the field. */
export function openSubscription(ports: SubscriptionPorts): { close(error: VedetteError): void } {
  const { request, sink, directory, cluster, tails, clock } = ports;
  const terms = checkTerms(request, cluster, directory);
  const { selection, release } = ports.selections.acquire(request.hostIds, request.metrics);
  const latest = !terms.every;
  const began = clock.now();
  const { sinceMs, tooFar } = beginning(terms, began, ports.backfillMaxMs);
  const positions = createPositions(directory.shardCount, sinceMs ?? began - bounds.skewMs);
  for (const shard of terms.shards) positions.indexes[shard] = terms.cursor?.shards[shard] ?? NOT_BEGUN;
  const conflation = createConflation(terms.rateHz);
  const wires = new Subscription();
  const out = createOutgoing({
    sink,
    cluster,
    terms,
    positions,
    conflation,
    began,
    sinceMs,
    clock,
    idle: pump,
    held,
    full() {
      full = true;
      tell({ type: 'sink.full' });
    },
  });
  if (tooFar !== null) out.draft.addGap(tooFar);
  const newest = createNewestRows({
    conflation,
    out,
    clock,
    shardOf: (host) => directory.shardOf(host),
    before: (shard) => positions.indexes[shard] ?? NOT_BEGUN,
    isCatchingUp: () => machine.snapshot.value === 'backfilling' || machine.snapshot.value === 'resuming',
    held,
    isOver: () => ended,
    due: pump,
  });
  let pumping = false;
  let again = false;
  let goesOn = false;
  /** The sink has answered that it is full, in this run of turns: the chart may hear it only after the step that it is in. */
  let full = false;
  /** Only these shards have news; null: any may. */
  let scope: readonly ShardId[] | null = null;
  let lookedAtAll = Number.NEGATIVE_INFINITY;
  /** Which feed is first to be asked: none of them waits behind the others for ever. */
  let firstFeed = 0;
  let retry: Timer | null = null;
  let ending: VedetteError | undefined;
  let ended = false;

  const feeds = createFeeds({
    directory,
    cluster,
    tails,
    clock,
    shards: terms.shards,
    forwarded: ports.forwarded,
    request,
    selection,
    positions,
    sinceMs,
    ready: pump,
    answered: () => tell({ type: 'feed.answered' }),
    broken: () => tell({ type: 'feed.broken' }),
    failed: end,
  });
  const machine = runMachine<typeof subscriptionMachine, SubscriptionEffect>(subscriptionMachine, {
    id: ports.machineId,
    kind: 'subscription',
    input: {
      latest,
      resumes: terms.cursor !== null,
      openPatienceMs: bounds.openPatienceMs,
      catchUpPatienceMs: bounds.catchUpPatienceMs,
    },
    clock,
    inspector: ports.inspector,
    // The first effect comes while the chart is being started: nobody can be told anything before.
    onEffect: (effect, event) => {
      if (event !== null) carryOut(effect);
    },
  });

  function tell(event: Told): void {
    machine.send({ ...event, at: clock.monotonic() });
  }

  function carryOut(effect: SubscriptionEffect): void {
    switch (effect.type) {
      case 'openFeeds':
        return openFeeds();
      case 'feed':
        return pump();
      case 'scheduleRetry':
        return scheduleRetry(effect.params.attempt);
      case 'endStream':
        return finish();
    }
  }

  function openFeeds(): void {
    feeds.open();
    pump();
  }

  function scheduleRetry(attempt: number): void {
    const { retryBaseMs: baseMs, retryMaxMs: maxMs } = bounds;
    retry ??= clock.after(backoffDelay(attempt, { baseMs, maxMs }, ports.random), () => {
      retry = null;
      tell({ type: 'retry.due' });
    });
  }

  /** Something was applied. While it is live only the shards where it was are looked at, and all of them now and then. */
  function hear(shards: readonly ShardId[]): void {
    const quick = machine.snapshot.value === 'live' && clock.monotonic() - lookedAtAll < bounds.lookEveryMs;
    if (quick && !pumping && !again) scope = shards;
    pump();
    scope = null;
  }

  /** Never nested: what happens meanwhile is looked at in one more turn. */
  function pump(): void {
    again = true;
    if (pumping) return;
    pumping = true;
    full = false;
    let bytes = 0;
    while (again && !ended && !full && bytes < bounds.turnBytes) {
      again = false;
      bytes += turn();
      scope = null;
    }
    pumping = false;
    if (again && !ended && !goesOn) {
      goesOn = true;
      clock.defer(() => {
        goesOn = false;
        pump();
      });
    }
  }

  /** Returns the bytes that were taken. */
  function turn(): number {
    if (machine.snapshot.value === 'opening') {
      openIfReady();
      return 0;
    }
    const lagging = machine.snapshot.value === 'lagging';
    const all = scope === null ? feeds.all : feeds.of(scope);
    if (scope === null) lookedAtAll = clock.monotonic();
    let bytes = 0;
    if (!held() || (latest && lagging)) {
      bytes = latest && (lagging || terms.rateHz > 0) ? conflate(all) : passOn(all);
      readOn(all);
    }
    if (!ended) look(all);
    return bytes;
  }

  function held(): boolean {
    return machine.snapshot.context.held;
  }

  function openIfReady(): void {
    const all = feeds.all;
    if (feeds.missing || !all.every(({ answered }) => answered)) return;
    tell({ type: 'opened', behind: all.some(({ caughtUp }) => !caughtUp) });
  }

  function inTurn(all: readonly Feed[]): readonly Feed[] {
    if (all.length < 2) return all;
    firstFeed = (firstFeed + 1) % Math.max(1, all.length);
    return firstFeed === 0 ? all : [...all.slice(firstFeed), ...all.slice(0, firstFeed)];
  }

  /** Everything, in order, as far as the subscriber has room. */
  function passOn(all: readonly Feed[]): number {
    let bytes = 0;
    let room = true;
    for (const feed of inTurn(all)) {
      for (let parcel = feed.peek(); parcel !== null && room && bytes < bounds.turnBytes; parcel = feed.peek()) {
        if (!out.draft.empty && out.draft.bytes + parcel.bytes > bounds.responseBytes) room = out.deliver();
        if (!room || ended) break;
        out.draft.add(parcel);
        feed.take();
        bytes += parcel.bytes;
      }
    }
    if (bytes >= bounds.turnBytes) again = true;
    if (room && !ended && (!out.draft.empty || !out.greeted)) out.deliver();
    return bytes;
  }

  /** The newest rows only, what there is room for. */
  function conflate(all: readonly Feed[]): number {
    let bytes = 0;
    for (const feed of inTurn(all)) {
      for (let parcel = feed.peek(); parcel !== null && bytes < bounds.turnBytes; parcel = feed.peek()) {
        newest.keep(parcel);
        feed.take();
        bytes += parcel.bytes;
      }
    }
    if (bytes >= bounds.turnBytes) again = true;
    const buffered = all.reduce((sum, { waitingBytes }) => sum + waitingBytes, conflation.bytes);
    if (buffered > bounds.bufferedBytesMax) {
      end(
        new VedetteError(
          'RESOURCE_EXHAUSTED',
          `more than ${sizeText(bounds.bufferedBytesMax)} wait for this subscriber: ask for fewer hosts or metrics`,
        ),
      );
      return bytes;
    }
    newest.emit();
    return bytes;
  }

  function readOn(all: readonly Feed[]): void {
    let reading = all.filter((feed) => feed.reading).length;
    for (const feed of inTurn(all)) {
      if (reading >= bounds.readsMax || ended) return;
      if (feed.reading || !feed.behind || feed.peek() !== null) continue;
      feed.readOn();
      if (feed.reading) reading++;
    }
  }

  /** What the chart should know. */
  function look(all: readonly Feed[]): void {
    const state = machine.snapshot.value;
    if (state === 'live') {
      if (all.some(({ behind }) => behind)) tell({ type: 'overflow' });
      return;
    }
    if (state === 'opening' || (state === 'resuming' && feeds.missing)) return;
    if (conflation.size > 0 && terms.rateHz === 0) return;
    if (all.every(({ caughtUp }) => caughtUp)) tell({ type: 'caughtUp', missing: feeds.missing });
  }

  function end(error?: VedetteError): void {
    ending ??= error;
    tell({ type: 'closed' });
  }

  function finish(): void {
    if (ended) return;
    ended = true;
    retry?.cancel();
    newest.stop();
    out.stop();
    wires.unsubscribe();
    feeds.close();
    release();
    machine.stop();
    sink.close(ending);
    ports.ended();
  }

  wires.add(tails.onNews(hear));
  wires.add(directory.changes.subscribe(() => feeds.layoutChanged()));
  wires.add(sink.drained.subscribe(() => tell({ type: 'sink.drained' })));
  wires.add(sink.closed.subscribe(() => end()));
  if (!ended) openFeeds();
  return { close: end };
}

/** Where what has no position begins, null: now; and what is too long ago to be given. */
function beginning(
  { cursor, backfillMs }: ReturnType<typeof checkTerms>,
  now: Millis,
  backfillMaxMs: Millis,
): { readonly sinceMs: Millis | null; readonly tooFar: vedette.v1.IGap | null } {
  if (cursor !== null) return { sinceMs: cursor.coveredMs, tooFar: null };
  if (backfillMs === 0) return { sinceMs: null, tooFar: null };
  const sinceMs = now - Math.min(backfillMs, backfillMaxMs);
  if (backfillMs <= backfillMaxMs) return { sinceMs, tooFar: null };
  const reason = `at most ${backfillMaxMs / 60_000} minutes are backfilled`;
  return { sinceMs, tooFar: { fromMs: now - backfillMs, toMs: sinceMs, reason } };
}
