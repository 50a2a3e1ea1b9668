// LATEST that lags, or asked for a rate: what parcels bring is gathered, of each host the newest row, and goes when there is room and it
// is due.
import type { HostId, ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { Conflation } from './conflation.ts';
import type { Parcel } from './feed.ts';
import type { Outgoing } from './outgoing.ts';

export interface NewestRowsPorts {
  readonly conflation: Conflation;
  readonly out: Outgoing;
  readonly clock: Clock;
  readonly shardOf: (host: HostId) => ShardId;
  /** Where the cursor stands in a shard, before the parcel. */
  readonly before: (shard: ShardId) => number;
  readonly isCatchingUp: () => boolean;
  /** The subscriber has no room. */
  readonly held: () => boolean;
  readonly isOver: () => boolean;
  /** Rows have become due. */
  readonly due: () => void;
}

export interface NewestRows {
  keep(parcel: Parcel): void;
  /** What there is room for, and is due. */
  emit(): void;
  stop(): void;
}

export function createNewestRows(ports: NewestRowsPorts): NewestRows {
  const { conflation, out, clock } = ports;
  let timer: Timer | null = null;

  function placeOf(host: HostId) {
    const shard = ports.shardOf(host);
    return { shard, before: ports.before(shard) };
  }

  return {
    keep(parcel) {
      const catchingUp = ports.isCatchingUp();
      for (const piece of parcel.pieces)
        conflation.put(piece, placeOf(piece.schema.host), catchingUp, clock.monotonic());
      for (const event of parcel.events) conflation.putEvent(event, placeOf((event.subject ?? '') as HostId));
      conflation.addLeftOut(parcel.conflatedRows);
      if (parcel.gap !== null) out.draft.addGap(parcel.gap);
    },
    emit() {
      timer?.cancel();
      timer = null;
      let room = !ports.held();
      while (room && !ports.isOver()) {
        for (const row of conflation.takeRows(clock.monotonic(), limits.subscriptions.responseBytes))
          out.draft.addRow(row);
        for (const event of conflation.takeEvents()) out.draft.addEvent(event);
        // What was left out is told with the rows that took its place.
        if (out.draft.empty && out.greeted) break;
        out.draft.addLeftOut(conflation.takeLeftOut());
        room = out.deliver();
      }
      const due = conflation.nextDue();
      if (!room || due === null || ports.isOver()) return;
      timer = clock.after(Math.max(limits.subscriptions.gatherMs, due - clock.monotonic()), () => {
        timer = null;
        ports.due();
      });
    },
    stop() {
      timer?.cancel();
    },
  };
}
