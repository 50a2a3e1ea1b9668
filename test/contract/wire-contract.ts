// What every Wire must do (src/streams/wire.ts), whatever carries it.
import { suite, type Test } from 'uvu';
import * as assert from 'uvu/assert';
import { VedetteError } from '../../src/core/errors.ts';
import type { Wire } from '../../src/streams/wire.ts';

/** Two ends of one wire that carries `number`s, or whatever `options` make of them. */
export interface WirePair<T> {
  readonly a: Wire<T>;
  readonly b: Wire<T>;
  /** Cuts the link without a word to either end. */
  breakLink(): void;
  /** Lets go of everything: servers, sockets. */
  close(): Promise<void> | void;
}

export interface WireContractOptions<T> {
  /** A message that carries the number, and back. */
  readonly message: (value: number) => T;
  readonly value: (message: T) => number;
  /** Returns when the condition is true, or fails: turns a virtual clock, or waits. */
  readonly until: (what: string, condition: () => boolean) => Promise<void> | void;
}

/** What an end heard. */
interface Heard {
  readonly values: number[];
  end: 'open' | 'completed' | VedetteError;
}

/** The suite, to be run with `.run()`. */
export function wireContract<T>(
  name: string,
  makePair: () => Promise<WirePair<T>> | WirePair<T>,
  options: WireContractOptions<T>,
): Test {
  const { message, value, until } = options;
  const test = suite(`Wire: ${name}`);

  function listen(wire: Wire<T>): Heard {
    const heard: Heard = { values: [], end: 'open' };
    wire.inbox.subscribe({
      next: (received) => heard.values.push(value(received)),
      error: (error: unknown) => {
        assert.instance(error, VedetteError, 'an inbox errors with a VedetteError');
        heard.end = error as VedetteError;
      },
      complete: () => {
        heard.end = 'completed';
      },
    });
    return heard;
  }

  function check(what: string, run: (pair: WirePair<T>) => Promise<void>): void {
    test(what, async () => {
      const pair = await makePair();
      try {
        await run(pair);
      } finally {
        await pair.close();
      }
    });
  }

  check('carries messages both ways, in order, each once', async ({ a, b }) => {
    const atA = listen(a);
    const atB = listen(b);
    for (let n = 0; n < 200; n++) {
      a.outbox.next(message(n));
      b.outbox.next(message(1000 + n));
    }
    await until('all arrived', () => atA.values.length >= 200 && atB.values.length >= 200);
    assert.equal(
      atB.values,
      Array.from({ length: 200 }, (_, n) => n),
    );
    assert.equal(
      atA.values,
      Array.from({ length: 200 }, (_, n) => 1000 + n),
    );
  });

  check('never delivers within the call that sends', async ({ a, b }) => {
    const atB = listen(b);
    a.outbox.next(message(1));
    assert.equal(atB.values, []);
    await until('it arrived', () => atB.values.length === 1);
  });

  check('answers do not nest: a long ping-pong needs no deep stack', async ({ a, b }) => {
    let last = 0;
    a.inbox.subscribe((received) => {
      last = value(received);
      a.outbox.next(message(last + 1));
    });
    b.inbox.subscribe((received) => {
      if (value(received) < 2000) b.outbox.next(received);
    });
    a.outbox.next(message(0));
    await until('2000 came back', () => last >= 1999);
  });

  check('what was sent before a close arrives; then both inboxes end', async ({ a, b }) => {
    const atA = listen(a);
    const atB = listen(b);
    for (let n = 0; n < 20; n++) a.outbox.next(message(n));
    a.outbox.complete();
    await until('both ends closed', () => atB.end !== 'open' && atA.end !== 'open');
    assert.is(atB.end, 'completed');
    assert.is(atB.values.length, 20);
  });

  check('after a close nothing more is sent, and sending does not throw', async ({ a, b }) => {
    const atB = listen(b);
    a.outbox.complete();
    a.outbox.next(message(1));
    a.outbox.complete();
    await until('b heard the close', () => atB.end !== 'open');
    a.outbox.next(message(2));
    b.outbox.next(message(3));
    assert.equal(atB.values, []);
  });

  check('a broken link errors both inboxes, once, and sending does not throw', async ({ a, b, breakLink }) => {
    const atA = listen(a);
    const atB = listen(b);
    a.outbox.next(message(1));
    await until('the link works', () => atB.values.length === 1);
    breakLink();
    await until('both ends know', () => atA.end !== 'open' && atB.end !== 'open');
    assert.instance(atA.end, VedetteError);
    assert.instance(atB.end, VedetteError);
    a.outbox.next(message(2));
    b.outbox.next(message(3));
    a.outbox.complete();
    assert.equal(atB.values, [1]);
    assert.equal(atA.values, []);
  });

  check(
    'a break loses only an end of what was sent: what arrived is a beginning of it',
    async ({ a, b, breakLink }) => {
      const atB = listen(b);
      listen(a);
      for (let n = 0; n < 50; n++) a.outbox.next(message(n));
      breakLink();
      await until('b knows', () => atB.end !== 'open');
      assert.equal(
        atB.values,
        Array.from({ length: atB.values.length }, (_, n) => n),
      );
    },
  );

  return test;
}
