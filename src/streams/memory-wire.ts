// A wire within one process. What is sent arrives in a later turn of the clock, so that two actors can send to each other without
// nesting, as over a network.
//
//   a.outbox ──▶ lane ──▶ b.inbox            a.inbox ◀── lane ◀── b.outbox
//
// Invariants
//   1. In order, at most once, never within the call that sent it.
//   2. What was sent before a close arrives before the other end's inbox completes. A break loses what is under way.
//   3. After its inbox has ended, an end hears nothing more, and what it sends is dropped.
import { Subject } from 'rxjs';
import { unavailable, type VedetteError } from '../core/errors.ts';
import type { Clock } from './clock.ts';
import type { Wire } from './wire.ts';

export interface MemoryWirePair<A, B = A> {
  /** Sends A, hears B. */
  readonly a: Wire<B, A>;
  readonly b: Wire<A, B>;
  /** The link is gone: what is under way is lost, both inboxes error (in a later turn). */
  breakLink(error?: VedetteError): void;
}

/** Carries one message, or the news of the end; decides when (or whether) `arrive` is called. Must keep the order. */
export type Carry = (arrive: () => void, what: 'message' | 'end') => void;

/** One direction, from one end's outbox to the other end's inbox. */
interface Lane<T> {
  readonly inbox: Subject<T>;
  send(message: T): void;
  close(): void;
  break(error: VedetteError): void;
}

function createLane<T>(carry: Carry, defer: (run: () => void) => void, inboxEnded: () => void): Lane<T> {
  const inbox = new Subject<T>();
  let sending = true;
  let open = true;

  function end(how: () => void): void {
    if (!open) return;
    open = false;
    sending = false;
    how();
    inboxEnded();
  }

  return {
    inbox,
    send(message) {
      if (!sending) return;
      carry(() => {
        if (open) inbox.next(message);
      }, 'message');
    },
    close() {
      if (!sending) return;
      sending = false;
      carry(() => end(() => inbox.complete()), 'end');
    },
    break(error) {
      sending = false;
      defer(() => end(() => inbox.error(error)));
    },
  };
}

/** @param carryTo how messages travel to each end; the simulator brings delay and loss. */
export function createMemoryWirePair<A, B = A>(
  clock: Clock,
  carryTo: { readonly a?: Carry; readonly b?: Carry } = {},
): MemoryWirePair<A, B> {
  const defer = (run: () => void) => clock.defer(run);
  const atOnce: Carry = (arrive) => clock.defer(arrive);
  // An end that heard the other one close closes, too.
  const toB = createLane<A>(carryTo.b ?? atOnce, defer, () => toA.close());
  const toA = createLane<B>(carryTo.a ?? atOnce, defer, () => toB.close());

  function wire<In, Out>(incoming: Lane<In>, outgoing: Lane<Out>): Wire<In, Out> {
    return {
      inbox: incoming.inbox.asObservable(),
      outbox: {
        next: (message) => outgoing.send(message),
        complete: () => outgoing.close(),
        error: (error: unknown) =>
          breakLink(error instanceof Error ? unavailable(`the wire was broken off: ${error.message}`) : undefined),
      },
    };
  }

  function breakLink(error: VedetteError = unavailable('the link broke')): void {
    toA.break(error);
    toB.break(error);
  }

  return { a: wire(toA, toB), b: wire(toB, toA), breakLink };
}
