// The simulated network between the members: every pair has a link each way, which loses, repeats, delays and reorders. A fault of the
// schedule is imposed on links, several at a time, and counts what it touches. What a process has sent travels on after its death.
import type { Millis } from '../../../src/core/ids.ts';
import type { Random } from '../../../src/streams/random.ts';
import type { VirtualClock } from '../../../src/streams/virtual-clock.ts';
import type { NetworkOptions } from './options.ts';
import type { LinkChange } from './schedule.ts';

/** A fault at work on one link or several. */
export interface LinkFault {
  /** Nothing gets through, and what is under way is lost. */
  readonly cut: boolean;
  readonly change: LinkChange;
  /** Messages that did not arrive as they would have. */
  touched: number;
}

export interface Network {
  /** @param deliver is called when it arrives: not at all, once or twice. @param lost is called when the network drops it, and all its copies. */
  send(from: number, to: number, deliver: () => void, lost: () => void, bytes?: number): void;
  /** One way. */
  impose(from: number, to: number, fault: LinkFault): void;
  lift(from: number, to: number, fault: LinkFault): void;
  isCut(from: number, to: number): boolean;
  /** From now on no faults, no loss, no repetition, and delays of at most `delayMaxMs`. */
  calm(delayMaxMs: Millis): void;
}

interface Message {
  deliver: (() => void) | null;
  readonly lost: () => void;
}

interface Link {
  readonly faults: LinkFault[];
  /** When the last message of an ordered link arrives. */
  lastArrival: Millis;
  /** When a narrow link has carried what was sent so far. */
  carried: Millis;
  /** Under way. */
  readonly messages: Message[];
  /** They have come to the end of a link that holds them back. */
  held: (() => void)[];
}

const STRAGGLE_MAX_MS = 5_000;
/** What a message takes on a narrow link beside its entries. */
const MESSAGE_BYTES = 100;
/** How far behind those after it one falls that is reordered: in mean delays. */
const REORDER_DELAYS = 4;

const isCut = ({ faults }: Link): boolean => faults.some(({ cut }) => cut);

export function createNetwork(clock: VirtualClock, random: Random, members: number, options: NetworkOptions): Network {
  let { lossChance, duplicateChance, straggleChance } = options;
  let { linkMessagesMax } = options;
  const { delayMinMs, delayMeanMs, ordered } = options;
  let delayMaxMs = Number.POSITIVE_INFINITY;
  const links: Link[] = Array.from({ length: members * members }, () => ({
    faults: [],
    lastArrival: 0,
    carried: 0,
    messages: [],
    held: [],
  }));

  const link = (from: number, to: number): Link => {
    const found = links[from * members + to];
    if (found === undefined) throw new RangeError(`no link from ${from} to ${to}`);
    return found;
  };

  /** Exponential beyond the least, as queues make it. */
  function delay(): Millis {
    if (random.next() < straggleChance) return random.next() * STRAGGLE_MAX_MS;
    return Math.min(delayMaxMs, delayMinMs - Math.log(1 - random.next()) * delayMeanMs);
  }

  /** By which fault, if any, something with this chance happens. */
  function happens(on: Link, what: 'loss' | 'duplicate' | 'reorder'): boolean {
    const by = on.faults.find(({ change }) => change[what] > 0 && random.next() < change[what]);
    if (by !== undefined) by.touched++;
    return by !== undefined;
  }

  function extraDelay(on: Link, bytes: number): Millis {
    const now = clock.monotonic();
    let extra = 0;
    for (const fault of on.faults) {
      const { delayMs, jitterMs, bandwidth } = fault.change;
      if (delayMs + jitterMs + bandwidth === 0) continue;
      fault.touched++;
      extra += delayMs + jitterMs * random.next();
      if (bandwidth === 0) continue;
      on.carried = Math.max(now, on.carried) + ((MESSAGE_BYTES + bytes) / bandwidth) * 1000;
      extra += on.carried - now;
    }
    return extra;
  }

  function take(on: Link, message: Message): void {
    const at = on.messages.indexOf(message);
    if (at !== -1) on.messages.splice(at, 1);
  }

  function arrivalOn(on: Link, bytes: number): Millis {
    const now = clock.monotonic();
    const arrival = now + delay();
    if (on.faults.length === 0) return inOrder(on, arrival);
    const late = arrival + extraDelay(on, bytes);
    return happens(on, 'reorder')
      ? late + random.next() * REORDER_DELAYS * (delayMinMs + delayMeanMs)
      : inOrder(on, late);
  }

  function inOrder(on: Link, arrival: Millis): Millis {
    if (ordered) on.lastArrival = Math.max(arrival, on.lastArrival);
    return ordered ? on.lastArrival : arrival;
  }

  function transmit(on: Link, deliver: () => void, lost: () => void, bytes: number): void {
    const message: Message = { deliver, lost };
    on.messages.push(message);
    if (on.messages.length > linkMessagesMax) drop(on, on.messages[random.integer(0, on.messages.length - 1)]);
    const arrive = (): void => {
      if (message.deliver === null) return;
      const holding = on.faults.find(({ change }) => change.hold);
      if (holding !== undefined) {
        holding.touched++;
        on.held.push(arrive);
        return;
      }
      take(on, message);
      message.deliver();
    };
    clock.after(arrivalOn(on, bytes) - clock.monotonic(), arrive);
  }

  function drop(on: Link, message: Message | undefined): void {
    if (message === undefined) return;
    take(on, message);
    message.deliver = null;
    message.lost();
  }

  /** What was held back arrives, unless it is held back still. */
  function release(on: Link): void {
    if (on.faults.some(({ change }) => change.hold)) return;
    for (const arrive of on.held) clock.defer(arrive);
    on.held = [];
  }

  return {
    send(from, to, deliver, lost, bytes = 0) {
      const on = link(from, to);
      const cut = on.faults.find((fault) => fault.cut);
      if (cut !== undefined) cut.touched++;
      if (cut !== undefined || random.next() < lossChance || happens(on, 'loss')) {
        lost();
        return;
      }
      // It is lost when none of its copies comes through.
      let left = 2;
      let through = false;
      const arrived = (): void => {
        through = true;
        deliver();
      };
      const dropped = (): void => {
        left--;
        if (left === 0 && !through) lost();
      };
      transmit(on, arrived, dropped, bytes);
      if (random.next() < duplicateChance || happens(on, 'duplicate')) transmit(on, arrived, dropped, bytes);
      else dropped();
    },
    impose(from, to, fault) {
      const on = link(from, to);
      on.faults.push(fault);
      if (!fault.cut) return;
      fault.touched += on.messages.length;
      while (on.messages.length > 0) drop(on, on.messages[0]);
    },
    lift(from, to, fault) {
      const on = link(from, to);
      const at = on.faults.indexOf(fault);
      if (at === -1) return;
      on.faults.splice(at, 1);
      release(on);
    },
    isCut: (from, to) => isCut(link(from, to)),
    calm(max) {
      lossChance = 0;
      duplicateChance = 0;
      straggleChance = 0;
      linkMessagesMax = Number.POSITIVE_INFINITY;
      delayMaxMs = max;
      for (const on of links) {
        on.faults.length = 0;
        // Behind a straggler everything of an ordered link would wait.
        if (ordered) while (on.messages.length > 0) drop(on, on.messages[0]);
        release(on);
        on.lastArrival = 0;
      }
    },
  };
}
