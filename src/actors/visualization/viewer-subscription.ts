// One subscription of a browser: opens the stream to a broker, passes on what comes, remembers the cursor, and goes on from it
// elsewhere when the stream breaks. The chart (machines/viewer-subscription.ts) decides when.
import type { Subscription } from 'rxjs';
import { VedetteError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import { vedette } from '../../core/proto.ts';
import { type ViewerEffect, viewerSubscriptionMachine } from '../../machines/viewer-subscription.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { Inspector } from '../../streams/inspector.ts';
import type { Random } from '../../streams/random.ts';
import { turnDelay } from '../../streams/retry.ts';
import { runMachine } from '../../streams/run-machine.ts';
import type { Source } from '../../streams/sink.ts';
import { createFrameWriter } from './browser-frames.ts';
import { errorMessage, type SubscribeMessage, type UpdateMessage } from './browser-messages.ts';
import type { BrokerPool } from './broker-pool.ts';

export interface ViewerSubscription {
  /** The browser's socket has room again. */
  drained(): void;
  acknowledge(cursor: string): void;
  update(message: UpdateMessage): void;
  close(): void;
}

export interface ViewerPorts {
  /** Of the chart: dashboard/subscription/N. */
  readonly machineId: string;
  readonly request: SubscribeMessage;
  readonly binary: boolean;
  readonly pool: BrokerPool;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
  /** False: the socket is full; `drained` follows. */
  readonly send: (message: string | Uint8Array) => boolean;
  /** It ended by itself: the request was refused. The browser has been told. */
  readonly ended: () => void;
}

type Response = vedette.v1.SubscribeResponse;

export function openViewerSubscription(ports: ViewerPorts): ViewerSubscription {
  const { clock, pool, random, send } = ports;
  const { id } = ports.request;
  const writer = createFrameWriter(id, ports.binary);
  let terms = ports.request;
  let cursor = terms.cursor ?? '';
  let upstream: { source: Source<Response>; subscription: Subscription } | null = null;
  /** Who was asked last: when that came to nothing, it is another's turn. */
  let asked: string | null = null;
  let retry: Timer | null = null;
  let socketFull = false;
  /** Cursors of data messages that wait for the browser's ack, oldest first; only with a `window`. */
  const unacknowledged: string[] = [];
  let told = false;

  const machine = runMachine<typeof viewerSubscriptionMachine, ViewerEffect>(viewerSubscriptionMachine, {
    id: ports.machineId,
    kind: 'subscription',
    input: { answerPatienceMs: limits.dashboard.answerPatienceMs },
    clock,
    inspector: ports.inspector,
    onEffect: carryOut,
  });
  const tell = (
    type:
      | 'upstream.answered'
      | 'upstream.lost'
      | 'refused'
      | 'viewer.full'
      | 'viewer.drained'
      | 'changed'
      | 'unsubscribed',
  ) => machine.send({ type, at: clock.monotonic() });

  function carryOut(effect: ViewerEffect): void {
    switch (effect.type) {
      case 'openUpstream':
        return open();
      case 'closeUpstream':
        return close();
      case 'holdUpstream':
        return upstream?.source.pause();
      case 'releaseUpstream':
        return upstream?.source.resume();
      case 'scheduleRetry':
        return scheduleRetry(effect.params.attempt);
    }
  }

  function open(): void {
    close();
    writer.streamBegan();
    const client = pool.next(asked);
    asked = client.address;
    const source = client.subscribe({
      hostIds: terms.hosts,
      metrics: terms.metrics,
      cursor,
      backfillMs: cursor === '' ? terms.backfillMs : 0,
      maxRateHz: terms.maxRateHz,
      events: terms.events,
      delivery: terms.delivery === 'every' ? vedette.v1.Delivery.EVERY : vedette.v1.Delivery.LATEST,
    });
    const mine = () => upstream?.source === source;
    const subscription = source.inbox.subscribe({
      next: (response) => mine() && pass(response),
      error: (error: unknown) => mine() && lost(error),
      complete: () => mine() && tell('upstream.lost'),
    });
    upstream = { source, subscription };
  }

  function close(): void {
    const ending = upstream;
    upstream = null;
    ending?.subscription.unsubscribe();
    ending?.source.close();
  }

  function lost(error: unknown): void {
    close();
    const refused = error instanceof VedetteError && ['INVALID_ARGUMENT', 'UNIMPLEMENTED'].includes(error.code);
    if (!refused) return tell('upstream.lost');
    send(errorMessage(id, error));
    tell('refused');
    ports.ended();
  }

  function pass(response: Response): void {
    tell('upstream.answered');
    if (!told) {
      // The first answer, so that a refused request is never called subscribed.
      send(JSON.stringify({ op: 'subscribed', id }));
      told = true;
    }
    const { gap } = response;
    if (gap !== null && gap !== undefined) {
      send(JSON.stringify({ op: 'gap', id, fromMs: gap.fromMs, toMs: gap.toMs, reason: gap.reason }));
    }
    // A broker's sign of life: nothing but a newer cursor. It is kept for resuming, and told only with the next rows.
    const empty = response.frames.length + response.events.length + response.conflatedRows === 0;
    if (response.cursor !== '') cursor = response.cursor;
    if (empty && response.schemas.length === 0) return;
    const room = send(writer.write(response));
    if (terms.window !== undefined) unacknowledged.push(cursor);
    if (!room) socketFull = true;
    if (full()) tell('viewer.full');
  }

  const full = () => socketFull || (terms.window !== undefined && unacknowledged.length >= terms.window);

  function scheduleRetry(attempt: number): void {
    retry?.cancel();
    const { backoffBaseMs: baseMs, backoffMaxMs: maxMs } = limits.dashboard;
    const delay = turnDelay(attempt, pool.brokers.length, { baseMs, maxMs }, random);
    retry = clock.after(delay, () => machine.send({ type: 'retry.due', at: clock.monotonic() }));
  }

  return {
    drained() {
      socketFull = false;
      if (!full()) tell('viewer.drained');
    },
    acknowledge(acknowledged) {
      const at = unacknowledged.indexOf(acknowledged);
      if (at < 0) return;
      unacknowledged.splice(0, at + 1);
      if (!full()) tell('viewer.drained');
    },
    update(message) {
      const {
        hosts = terms.hosts,
        metrics = terms.metrics,
        maxRateHz = terms.maxRateHz,
        events = terms.events,
      } = message;
      terms = { ...terms, hosts, metrics, maxRateHz, events };
      tell('changed');
    },
    close() {
      retry?.cancel();
      tell('unsubscribed');
      machine.stop();
    },
  };
}
