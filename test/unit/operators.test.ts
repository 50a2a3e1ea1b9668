import { defer, Subject } from 'rxjs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VedetteError } from '../../src/core/errors.ts';
import { batch } from '../../src/streams/batch.ts';
import { conflateInto, createConflation } from '../../src/streams/conflate.ts';
import { createCredits, spendCredits } from '../../src/streams/credits.ts';
import { createRandom } from '../../src/streams/random.ts';
import { backoffDelay, retryWithBackoff, turnDelay } from '../../src/streams/retry.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

// ---------------------------------------------------------------- batch

function batching(limits: { countMax?: number; bytesMax?: number; waitMaxMs?: number }) {
  const clock = createVirtualClock();
  const source = new Subject<string>();
  const seen: string[] = [];
  const { countMax = 100, bytesMax = 1000, waitMaxMs = 10 } = limits;
  const subscription = source
    .pipe(batch({ clock, countMax, bytesMax, waitMaxMs, bytesOf: (text) => text.length }))
    .subscribe({
      next: (messages) => seen.push(`${clock.monotonic()}:${messages.join('+')}`),
      error: (error: unknown) => seen.push(`${clock.monotonic()}:!${String(error)}`),
      complete: () => seen.push(`${clock.monotonic()}:|`),
    });
  return { clock, source, seen, subscription };
}

test('a batch goes when it is full by count', () => {
  const { source, seen } = batching({ countMax: 3 });
  for (const text of ['a', 'b', 'c', 'd']) source.next(text);
  assert.equal(seen, ['0:a+b+c']);
});

test('a batch goes when it is full by bytes; a message that does not fit begins the next; a large one goes alone', () => {
  const { source, seen } = batching({ bytesMax: 4 });
  for (const text of ['aa', 'bb', 'c', 'dddddd', 'e', 'ffff']) source.next(text);
  assert.equal(seen, ['0:aa+bb', '0:c', '0:dddddd', '0:e', '0:ffff']);
});

test('a batch goes when its first message has waited long enough, whatever came after', () => {
  const { clock, source, seen } = batching({ waitMaxMs: 10 });
  source.next('a');
  clock.advance(6);
  source.next('b');
  clock.advance(4);
  assert.equal(seen, ['10:a+b']);
  source.next('c');
  clock.advance(9);
  assert.is(seen.length, 1);
  clock.advance(1);
  assert.equal(seen, ['10:a+b', '20:c']);
  clock.advance(100);
  assert.is(seen.length, 2, 'there are no empty batches');
});

test('what waits goes when the source completes, is lost when it fails, and after unsubscribing nothing goes', () => {
  const completing = batching({});
  completing.source.next('a');
  completing.source.complete();
  assert.equal(completing.seen, ['0:a', '0:|']);

  const failing = batching({});
  failing.source.next('a');
  failing.source.error(new Error('gone'));
  failing.clock.advance(100);
  assert.equal(failing.seen, ['0:!Error: gone']);

  const left = batching({});
  left.source.next('a');
  left.subscription.unsubscribe();
  left.clock.advance(100);
  assert.equal(left.seen, []);
  assert.is(left.clock.pending, 0, 'no timer stays behind');
});

// ---------------------------------------------------------------- conflate

const byLetter = { keyOf: (text: string) => text[0] ?? '', keysMax: 3 };

test('a conflation keeps the newest of each key, keys in their order of waiting, and counts the rest', () => {
  const conflation = createConflation(byLetter);
  for (const text of ['a1', 'b1', 'a2', 'a3', 'b2']) conflation.put(text);
  assert.is(conflation.waiting, 2);
  assert.is(conflation.leftOut, 3);
  assert.equal([conflation.take(), conflation.take(), conflation.take()], ['a3', 'b2', undefined]);
});

test('at its limit of keys the one that waited longest is left out, and counted', () => {
  const conflation = createConflation(byLetter);
  for (const text of ['a1', 'b1', 'c1', 'd1']) conflation.put(text);
  assert.is(conflation.leftOut, 1);
  assert.equal([conflation.take(), conflation.take(), conflation.take()], ['b1', 'c1', 'd1']);
});

function slowSink(room: number) {
  const drained = new Subject<void>();
  const closed = new Subject<void>();
  const got: string[] = [];
  let left = room;
  return {
    got,
    closed,
    makeRoom(count: number) {
      left = count;
      drained.next();
    },
    sink: {
      drained,
      closed,
      send(message: string) {
        got.push(message);
        left--;
        return left > 0;
      },
      close(error?: VedetteError) {
        got.push(error === undefined ? '|' : `!${error.message}`);
      },
    },
  };
}

test('a flow passes everything while the sink keeps up, and only the newest of each key when it does not', () => {
  const source = new Subject<string>();
  const { sink, got, makeRoom } = slowSink(2);
  const flow = conflateInto(source, sink, byLetter);
  for (const text of ['a1', 'b1', 'a2', 'b2', 'a3', 'c1']) source.next(text);
  assert.equal(got, ['a1', 'b1']);
  makeRoom(2);
  assert.equal(got, ['a1', 'b1', 'a3', 'b2']);
  assert.is(flow.leftOut, 1);
  source.complete();
  assert.is(got.length, 4, 'what waits goes before the end');
  makeRoom(5);
  assert.equal(got.slice(4), ['c1', '|']);
});

test('a failing source closes the sink with the error; an ended sink stops the flow', () => {
  const failing = new Subject<string>();
  const one = slowSink(9);
  conflateInto(failing, one.sink, byLetter);
  failing.error(new VedetteError('UNAVAILABLE', 'no more'));
  assert.equal(one.got, ['!no more']);

  const source = new Subject<string>();
  const two = slowSink(9);
  conflateInto(source, two.sink, byLetter);
  two.closed.next();
  source.next('a1');
  assert.equal(two.got, []);
  assert.not(source.observed);
});

// ---------------------------------------------------------------- credits

test('credits: all or none, never more than the most there may be', () => {
  const credits = createCredits({ initial: 2, max: 4 });
  assert.not(credits.take(3));
  assert.is(credits.available, 2);
  assert.ok(credits.take(2));
  assert.not(credits.take());
  credits.grant(100);
  assert.is(credits.available, 4);
});

test('as many pass as there is credit; the others wait, in order, and the end waits with them', () => {
  const credits = createCredits({ initial: 2, max: 10 });
  const source = new Subject<number>();
  const seen: (number | string)[] = [];
  source
    .pipe(spendCredits(credits, { waitingMax: 10 }))
    .subscribe({ next: (n) => seen.push(n), complete: () => seen.push('|') });
  for (let n = 1; n <= 5; n++) source.next(n);
  assert.equal(seen, [1, 2]);
  credits.grant(1);
  assert.equal(seen, [1, 2, 3]);
  source.complete();
  credits.grant(5);
  assert.equal(seen, [1, 2, 3, 4, 5, '|']);
  assert.is(credits.available, 3);
});

test('more than may wait for credit is an error that says so', () => {
  const source = new Subject<number>();
  let failure: unknown;
  source
    .pipe(spendCredits(createCredits({ initial: 0, max: 1 }), { waitingMax: 2 }))
    .subscribe({ error: (error) => (failure = error) });
  for (let n = 1; n <= 3; n++) source.next(n);
  assert.instance(failure, VedetteError);
  assert.is((failure as VedetteError).code, 'RESOURCE_EXHAUSTED');
  assert.not(source.observed);
});

// ---------------------------------------------------------------- retry

test('backoff doubles its ceiling up to the maximum, and draws from all of it', () => {
  const random = createRandom('backoff');
  for (const [attempt, ceiling] of [
    [1, 100],
    [2, 200],
    [3, 400],
    [6, 3200],
    [9, 5000],
    [5000, 5000],
  ] as const) {
    const delays = Array.from({ length: 500 }, () => backoffDelay(attempt, { baseMs: 100, maxMs: 5000 }, random));
    assert.ok(Math.max(...delays) < ceiling && Math.max(...delays) > ceiling * 0.97, `attempt ${attempt}`);
    assert.ok(Math.min(...delays) < ceiling * 0.03);
  }
});

function retrying(attemptsMax: number) {
  const clock = createVirtualClock();
  const attempts: Subject<string>[] = [];
  const seen: string[] = [];
  const source = defer(() => {
    const attempt = new Subject<string>();
    attempts.push(attempt);
    return attempt;
  });
  const options = { baseMs: 100, maxMs: 1000, attemptsMax, clock, random: createRandom(1) };
  const subscription = source.pipe(retryWithBackoff(options)).subscribe({
    next: (text) => seen.push(text),
    error: (error: Error) => seen.push(`!${error.message}`),
    complete: () => seen.push('|'),
  });
  return { clock, attempts, seen, subscription };
}

test('of several that will do the next is tried almost at once; there is a wait when three, or all, have failed', () => {
  const waits = (targets: number) => {
    const random = createRandom(5);
    const most = new Array<number>(12).fill(0);
    for (let round = 0; round < 200; round++)
      most.forEach((known, at) => {
        most[at] = Math.max(known, turnDelay(at + 1, targets, { baseMs: 100, maxMs: 400 }, random));
      });
    return most.map((wait) => (wait <= 20 ? 0 : Math.ceil(wait / 100) * 100));
  };
  assert.equal(waits(1), [100, 200, 400, 400, 400, 400, 400, 400, 400, 400, 400, 400]);
  assert.equal(waits(2), [0, 100, 0, 200, 0, 400, 0, 400, 0, 400, 0, 400]);
  assert.equal(waits(3), [0, 0, 100, 0, 0, 200, 0, 0, 400, 0, 0, 400]);
  assert.equal(waits(7), waits(3));
  assert.equal(waits(0), waits(1));
});

test('a failed source is subscribed again later; a value in between begins the count anew; at the limit the error passes', () => {
  const { clock, attempts, seen } = retrying(3);
  attempts[0]?.error(new Error('one'));
  assert.is(attempts.length, 1, 'not at once');
  clock.advance(100);
  assert.is(attempts.length, 2);
  attempts[1]?.error(new Error('two'));
  clock.advance(200);
  attempts[2]?.next('a value');
  attempts[2]?.error(new Error('one again'));
  clock.advance(100);
  attempts[3]?.error(new Error('two again'));
  clock.advance(200);
  attempts[4]?.error(new Error('three'));
  clock.advance(10_000);
  assert.is(attempts.length, 5);
  assert.equal(seen, ['a value', '!three']);
});

test('unsubscribing while it waits ends the retrying', () => {
  const { clock, attempts, subscription } = retrying(9);
  attempts[0]?.error(new Error('one'));
  subscription.unsubscribe();
  clock.advance(10_000);
  assert.is(attempts.length, 1);
  assert.is(clock.pending, 0);
});

test('completion passes', () => {
  const { attempts, seen } = retrying(9);
  attempts[0]?.complete();
  assert.equal(seen, ['|']);
});

test.run();
