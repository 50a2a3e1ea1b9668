// Sends snapshots to other brokers, a few at a time.
//
//   waiting ─▶ dialled ─ offer ─▶ ◀─ grant: from chunk n on, so many ─ chunks ─▶ ◀─ grant … ◀─ end: it is durable there
//
// Invariants
//   1. No more chunks are under way than the receiver has granted, and one is read from disk at a time: memory is bounded.
//   2. Every delivery ends: a receiver that grants nothing and says nothing for `patienceMs` is given up.
//   3. It does not try again: whoever asked knows whether it is still wanted. The next attempt goes on where this one ended.
import { describeError } from '../../core/errors.ts';
import type { BrokerId } from '../../core/ids.ts';
import { limits, type SnapshotLimits } from '../../core/limits.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import { type Credits, createCredits } from '../../streams/credits.ts';
import type { SnapshotMessage } from '../../streams/snapshot-message.ts';
import type { Wire } from '../../streams/wire.ts';
import type { SnapshotDelivery, SnapshotTransfers } from '../snapshot-transfer.ts';
import { encodeHeader } from '../stores/snapshots/header.ts';
import type { SnapshotStore } from '../stores/snapshots.ts';

export interface SnapshotSender extends SnapshotTransfers {
  /** Chunks sent since the start. */
  readonly chunksSent: number;
  stop(): void;
}

export interface SnapshotSenderPorts {
  readonly self: BrokerId;
  readonly clock: Clock;
  readonly store: SnapshotStore;
  readonly dial: (address: string) => Wire<SnapshotMessage>;
  /** Undefined: that broker is not known (any more). */
  readonly addressOf: (broker: BrokerId) => string | undefined;
  readonly warn: (message: string) => void;
  readonly options?: Partial<SnapshotLimits>;
}

interface Sending {
  readonly delivery: SnapshotDelivery;
  stop(): void;
}

export function createSnapshotSender(ports: SnapshotSenderPorts): SnapshotSender {
  const { self, clock, store, warn } = ports;
  const { sendsMax, windowChunks, patienceMs } = { ...limits.snapshots, ...ports.options };
  const waiting: SnapshotDelivery[] = [];
  const active = new Set<Sending>();
  /** What was said of a receiver last, so that it is not said again at each attempt. */
  const said = new Map<BrokerId, string>();
  let chunksSent = 0;
  let stopped = false;

  function next(): void {
    while (!stopped && active.size < sendsMax) {
      const delivery = waiting.shift();
      if (delivery === undefined) return;
      begin(delivery);
    }
  }

  function begin(delivery: SnapshotDelivery): void {
    const address = ports.addressOf(delivery.to);
    if (address === undefined || !delivery.isWanted()) {
      clock.defer(() => delivery.done(false));
      return;
    }
    const sending: Sending = {
      delivery,
      stop: open(delivery, ports.dial(address), (arrived, reason) => {
        active.delete(sending);
        tell(delivery, arrived, reason);
        clock.defer(() => {
          delivery.done(arrived);
          next();
        });
      }),
    };
    active.add(sending);
  }

  function tell({ to, snapshot }: SnapshotDelivery, arrived: boolean, reason: string): void {
    if (arrived) said.delete(to);
    else if (reason !== '' && said.get(to) !== reason) {
      said.set(to, reason);
      warn(`the snapshot of ${snapshot.meta.group} did not reach ${to}: ${reason}`);
    }
  }

  /** @param ended called once, never synchronously. @returns how to give it up in silence. */
  function open(
    { to, term, snapshot, isWanted }: SnapshotDelivery,
    wire: Wire<SnapshotMessage>,
    ended: (arrived: boolean, reason: string) => void,
  ): () => void {
    const { offsets, bytes, meta, path } = snapshot;
    const credits: Credits = createCredits({ initial: 0, max: windowChunks });
    let reader: ReturnType<SnapshotStore['read']> | null = null;
    let number: number | null = null;
    let reading = false;
    let over = false;
    let silence: Timer | null = null;

    function end(arrived: boolean, reason = ''): void {
      if (over) return;
      close();
      clock.defer(() => ended(arrived, reason));
    }

    function close(): void {
      over = true;
      silence?.cancel();
      reader?.close();
      inbox.unsubscribe();
      wire.outbox.complete();
    }

    function listen(): void {
      silence?.cancel();
      silence = clock.after(patienceMs, () => end(false, `it was silent for ${patienceMs} ms`));
    }

    function pump(): void {
      if (over || reading || reader === null || number === null || number >= offsets.length) return;
      if (!isWanted()) return end(false);
      if (!credits.take()) return;
      const sent = number++;
      reading = true;
      reader.read(sent, (error, chunk) => {
        reading = false;
        if (over) return;
        if (error !== null || chunk === null) {
          store.setAside(snapshot, describeError(error));
          return end(false, `${path} is damaged`);
        }
        chunksSent++;
        wire.outbox.next({ kind: 'chunk', number: sent, ...chunk });
        pump();
      });
    }

    function hear(message: SnapshotMessage): void {
      if (over) return;
      listen();
      if (message.kind === 'end') return end(message.installed, message.installed ? '' : message.reason);
      if (message.kind !== 'grant') return end(false, `it answered with ${message.kind}`);
      try {
        reader ??= store.read(snapshot);
      } catch (error) {
        return end(false, describeError(error));
      }
      number ??= message.next;
      credits.grant(message.chunks);
      pump();
    }

    const inbox = wire.inbox.subscribe({
      next: hear,
      error: (error: unknown) => clock.defer(() => end(false, describeError(error))),
      complete: () => clock.defer(() => end(false, 'it closed the stream')),
    });
    listen();
    wire.outbox.next({
      kind: 'offer',
      from: self,
      to,
      term,
      header: encodeHeader(meta),
      chunks: offsets.length,
      bytes,
    });
    return () => {
      if (!over) close();
    };
  }

  return {
    send(delivery) {
      if (stopped) return;
      waiting.push(delivery);
      if (active.size < sendsMax) clock.defer(next);
    },
    get chunksSent() {
      return chunksSent;
    },
    stop() {
      stopped = true;
      waiting.length = 0;
      for (const { stop } of active) stop();
      active.clear();
    },
  };
}
