// The simulated network between the members: every pair has a link each way, which loses, repeats, delays and reorders, and can be
// cut or clogged. What a process has sent travels on after its death.
import type { Millis } from '../../../src/core/ids.ts';
import type { Random } from '../../../src/streams/random.ts';
import type { VirtualClock } from '../../../src/streams/virtual-clock.ts';
import type { NetworkOptions } from './options.ts';

export interface Network {
  /** @param deliver is called when it arrives: not at all, once or twice. @param lost is called when the network drops it. */
  send(from: number, to: number, deliver: () => void, lost: () => void): void;
  /** One way. What is under way is lost. */
  cut(from: number, to: number): void;
  heal(from: number, to: number): void;
  isCut(from: number, to: number): boolean;
  /** Nothing arrives for a while; then what was sent meanwhile does. */
  clog(from: number, to: number, ms: Millis): void;
  /** From now on no loss, no repetition, and delays of at most `delayMaxMs`. Cuts stay as they are. */
  calm(delayMaxMs: Millis): void;
}

interface Message {
  deliver: (() => void) | null;
  readonly lost: () => void;
}

interface Link {
  cut: boolean;
  cloggedUntil: Millis;
  /** When the last message of an ordered link arrives. */
  lastArrival: Millis;
  /** Under way. */
  readonly messages: Message[];
}

const STRAGGLE_MAX_MS = 5_000;

export function createNetwork(clock: VirtualClock, random: Random, members: number, options: NetworkOptions): Network {
  let { lossChance, duplicateChance, straggleChance } = options;
  let { linkMessagesMax } = options;
  const { delayMinMs, delayMeanMs, ordered } = options;
  let delayMaxMs = Number.POSITIVE_INFINITY;
  const links: Link[] = Array.from({ length: members * members }, () => ({
    cut: false,
    cloggedUntil: 0,
    lastArrival: 0,
    messages: [],
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

  function take(on: Link, message: Message): void {
    const at = on.messages.indexOf(message);
    if (at !== -1) on.messages.splice(at, 1);
  }

  function transmit(on: Link, deliver: () => void, lost: () => void): void {
    const message: Message = { deliver, lost };
    on.messages.push(message);
    if (on.messages.length > linkMessagesMax) drop(on, on.messages[random.integer(0, on.messages.length - 1)]);
    let arrival = Math.max(on.cloggedUntil, clock.monotonic()) + delay();
    if (ordered) {
      arrival = Math.max(arrival, on.lastArrival);
      on.lastArrival = arrival;
    }
    const arrive = (): void => {
      if (message.deliver === null) return;
      const left = on.cloggedUntil - clock.monotonic();
      if (left > 0) {
        clock.after(left, arrive);
        return;
      }
      take(on, message);
      message.deliver();
    };
    clock.after(arrival - clock.monotonic(), arrive);
  }

  function drop(on: Link, message: Message | undefined): void {
    if (message === undefined) return;
    take(on, message);
    message.deliver = null;
    message.lost();
  }

  return {
    send(from, to, deliver, lost) {
      const on = link(from, to);
      if (on.cut || random.next() < lossChance) {
        lost();
        return;
      }
      transmit(on, deliver, lost);
      if (random.next() < duplicateChance) transmit(on, deliver, lost);
    },
    cut(from, to) {
      const on = link(from, to);
      on.cut = true;
      while (on.messages.length > 0) drop(on, on.messages[0]);
    },
    heal(from, to) {
      link(from, to).cut = false;
    },
    isCut: (from, to) => link(from, to).cut,
    clog(from, to, ms) {
      const on = link(from, to);
      on.cloggedUntil = Math.max(on.cloggedUntil, clock.monotonic() + ms);
    },
    calm(max) {
      lossChance = 0;
      duplicateChance = 0;
      straggleChance = 0;
      linkMessagesMax = Number.POSITIVE_INFINITY;
      delayMaxMs = max;
      for (const on of links) {
        on.cloggedUntil = 0;
        // Behind a straggler everything of an ordered link would wait.
        if (ordered) while (on.messages.length > 0) drop(on, on.messages[0]);
        on.lastArrival = 0;
      }
    },
  };
}
