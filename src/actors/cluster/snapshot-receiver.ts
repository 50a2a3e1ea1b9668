// Receives snapshots from other brokers into the store. What arrived of one stays for a while when its stream ends, so that the next
// stream goes on from there.
//
//   stream ─ offer ─▶ wanted here? ─▶ arrival (one per group) ─ grant ─▶ chunk ─▶ checked ─▶ on disk ─ grant ─▶ … ─▶ whole ─ end ─▶
//
// Invariants
//   1. A chunk is granted again only when one is on disk: no more than the window waits in memory, for each of a few arrivals.
//   2. A chunk counts only with its checksum, and in its turn; the snapshot only when the store has it durable as a whole.
//   3. Of two offers for one group the newer leader's counts, and of one leader the later.
import { describeError } from '../../core/errors.ts';
import type { BrokerId, ClusterId, GroupId } from '../../core/ids.ts';
import { limits, type SnapshotLimits } from '../../core/limits.ts';
import type { Crc32c } from '../../core/log-format.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { SnapshotChunk, SnapshotMessage, SnapshotOffer } from '../../streams/snapshot-message.ts';
import type { Wire } from '../../streams/wire.ts';
import { decodeHeader } from '../stores/snapshots/header.ts';
import type { SnapshotWriter } from '../stores/snapshots/writer.ts';
import type { SnapshotMeta, SnapshotStore } from '../stores/snapshots.ts';

export interface SnapshotReceiver {
  accept(wire: Wire<SnapshotMessage>): void;
  /** The group has no member here any more. */
  forget(group: GroupId): void;
  stop(): void;
}

export interface SnapshotReceiverPorts {
  readonly self: BrokerId;
  readonly clock: Clock;
  readonly store: SnapshotStore;
  readonly crc32c: Crc32c;
  /** '' while it is not known. */
  readonly cluster: () => ClusterId | '';
  readonly isMember: (broker: BrokerId) => boolean;
  readonly hasGroup: (group: GroupId) => boolean;
  readonly warn: (message: string) => void;
  readonly options?: Partial<SnapshotLimits>;
}

/** A snapshot that is arriving, on one stream after another. */
interface Arrival {
  readonly offer: SnapshotOffer;
  readonly writer: SnapshotWriter;
  stream: Stream | null;
  /** The disk is at a chunk. */
  busy: boolean;
  waiting: SnapshotChunk[];
  /** Without a stream: when it is given up. */
  expiry: Timer | null;
}

interface Stream {
  /** It may begin to send: chunks are granted anew, and counted from what is there. */
  begin(next: number): void;
  grant(): void;
  end(installed: boolean, reason: string): void;
}

export function createSnapshotReceiver(ports: SnapshotReceiverPorts): SnapshotReceiver {
  const { self, clock, store, crc32c, warn } = ports;
  const { receivesMax, windowChunks, patienceMs, partialMs } = { ...limits.snapshots, ...ports.options };
  const arrivals = new Map<GroupId, Arrival>();
  const streams = new Set<Stream>();
  let stopped = false;

  /** Why this offer is not taken; null: it is. */
  function objection({ from, to, term }: SnapshotOffer, { group, cluster }: SnapshotMeta): string | null {
    if (to !== self) return `this is ${self}, not ${to}`;
    if (!ports.isMember(from)) return `${from} is no member`;
    const mine = ports.cluster();
    if (cluster !== '' && mine !== '' && cluster !== mine) return `this broker is in cluster ${mine}, not ${cluster}`;
    if (!ports.hasGroup(group)) return `${group} has no member on ${self}`;
    const there = arrivals.get(group);
    if (there !== undefined) return there.offer.term > term ? `a newer leader of ${group} sends another` : null;
    return arrivals.size < receivesMax ? null : `${arrivals.size} snapshots are arriving already`;
  }

  function take(offer: SnapshotOffer, stream: Stream): Arrival | null {
    let meta: SnapshotMeta;
    try {
      meta = decodeHeader(offer.header);
    } catch (error) {
      stream.end(false, `its header cannot be read: ${describeError(error)}`);
      return null;
    }
    const reason = objection(offer, meta);
    if (reason !== null) {
      stream.end(false, reason);
      return null;
    }
    if ((store.newest(meta.group)?.meta.index ?? 0) >= meta.index) {
      stream.end(true, '');
      return null;
    }
    return attach(arrivalOf(offer, meta), offer, stream);
  }

  function arrivalOf(offer: SnapshotOffer, meta: SnapshotMeta): Arrival {
    const there = arrivals.get(meta.group);
    if (there !== undefined && sameBytes(there.offer.header, offer.header) && there.offer.chunks === offer.chunks)
      return there;
    if (there !== undefined) giveUp(there, 'another one is offered');
    const writer = store.receive(meta);
    return { offer, writer, stream: null, busy: false, waiting: [], expiry: null };
  }

  function attach(found: Arrival, offer: SnapshotOffer, stream: Stream): Arrival {
    found.stream?.end(false, 'it goes on on another stream');
    found.expiry?.cancel();
    const arrival: Arrival = Object.assign(found, { offer, stream, waiting: [], expiry: null });
    arrivals.set(arrival.writer.meta.group, arrival);
    if (!arrival.busy) beginOn(arrival);
    return arrival;
  }

  function beginOn(arrival: Arrival): void {
    if (arrival.writer.chunks() === arrival.offer.chunks) finish(arrival);
    else arrival.stream?.begin(arrival.writer.chunks());
  }

  function isLive(arrival: Arrival): boolean {
    return arrivals.get(arrival.writer.meta.group) === arrival;
  }

  /** The disk takes one chunk after the other. */
  function write(arrival: Arrival): void {
    const { writer, offer } = arrival;
    const chunk = arrival.busy ? undefined : arrival.waiting.shift();
    if (chunk === undefined) return;
    if (chunk.number !== writer.chunks() || crc32c(chunk.payload) !== chunk.crc) {
      arrival.stream?.end(false, `chunk ${chunk.number} is damaged or not the next`);
      return;
    }
    const { stream } = arrival;
    arrival.busy = true;
    writer.add(chunk.payload, chunk.crc, (written) => {
      arrival.busy = false;
      if (!isLive(arrival)) return;
      if (!written) return giveUp(arrival, 'it could not be written');
      // A stream that has come meanwhile has waited to learn where to begin.
      if (arrival.stream !== stream) return beginOn(arrival);
      if (writer.chunks() === offer.chunks) return finish(arrival);
      stream?.grant();
      write(arrival);
    });
  }

  function finish(arrival: Arrival): void {
    arrival.busy = true;
    arrival.writer.finish((stored) => {
      if (!isLive(arrival)) return;
      arrivals.delete(arrival.writer.meta.group);
      arrival.expiry?.cancel();
      arrival.stream?.end(stored !== null, stored === null ? 'it could not be written' : '');
    });
  }

  function giveUp(arrival: Arrival, reason: string): void {
    arrivals.delete(arrival.writer.meta.group);
    arrival.expiry?.cancel();
    arrival.writer.abandon();
    arrival.stream?.end(false, reason);
  }

  /** Its stream has ended; the next one may go on with what is there. */
  function detach(arrival: Arrival, stream: Stream): void {
    if (arrival.stream !== stream) return;
    Object.assign(arrival, { stream: null, waiting: [] });
    if (isLive(arrival)) arrival.expiry = clock.after(partialMs, () => giveUp(arrival, ''));
  }

  function accept(wire: Wire<SnapshotMessage>): void {
    let arrival: Arrival | null = null;
    let over = false;
    let offered = false;
    let silence: Timer | null = null;
    const listen = () => {
      silence?.cancel();
      silence = clock.after(patienceMs, () => stream.end(false, `nothing came for ${patienceMs} ms`));
    };
    const close = () => {
      over = true;
      silence?.cancel();
      streams.delete(stream);
      if (arrival !== null) detach(arrival, stream);
      clock.defer(() => inbox.unsubscribe());
    };
    const stream: Stream = {
      begin: (next) => {
        if (!over) wire.outbox.next({ kind: 'grant', next, chunks: windowChunks });
      },
      grant: () => {
        if (!over) wire.outbox.next({ kind: 'grant', next: 0, chunks: 1 });
      },
      end(installed, reason) {
        if (over) return;
        wire.outbox.next({ kind: 'end', installed, reason });
        wire.outbox.complete();
        close();
      },
    };
    const hear = (message: SnapshotMessage) => {
      if (over || stopped) return;
      listen();
      if (message.kind === 'offer' && !offered) {
        offered = true;
        arrival = take(message, stream);
      } else if (message.kind === 'chunk' && arrival !== null && arrival.waiting.length < windowChunks) {
        arrival.waiting.push(message);
        write(arrival);
      } else stream.end(false, `a ${message.kind} does not belong here`);
    };
    streams.add(stream);
    listen();
    const gone = () => {
      if (over) return;
      wire.outbox.complete();
      close();
    };
    const inbox = wire.inbox.subscribe({
      next(message) {
        try {
          hear(message);
        } catch (error) {
          warn(`a snapshot could not be taken: ${describeError(error)}`);
          stream.end(false, describeError(error));
        }
      },
      error: gone,
      complete: gone,
    });
  }

  return {
    accept,
    forget(group) {
      const arrival = arrivals.get(group);
      if (arrival !== undefined) giveUp(arrival, `${group} has no member on ${self} any more`);
    },
    stop() {
      stopped = true;
      for (const stream of streams) stream.end(false, `${self} is stopping`);
      for (const arrival of arrivals.values()) {
        arrival.expiry?.cancel();
        arrival.writer.abandon();
      }
      arrivals.clear();
    },
  };
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}
