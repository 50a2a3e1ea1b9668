// Processes that die, refuse to start, or will not end, under a virtual clock.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ChildExit, type ChildProcesses, createSupervisor } from '../../src/actors/supervisor.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

const test = suite('supervisor');

interface Fake {
  readonly name: string;
  readonly asked: string[];
  ready(): void;
  exit(exit: Partial<ChildExit>): void;
}

function setUp(names: readonly string[]) {
  const clock = createVirtualClock();
  const spawned: Fake[] = [];
  const processes: ChildProcesses = {
    spawn({ name }, on) {
      const asked: string[] = [];
      spawned.push({
        name,
        asked,
        ready: on.ready,
        exit: (exit) => on.exited({ code: null, signal: null, lastWords: '', ...exit }),
      });
      return { pid: spawned.length, terminate: () => asked.push('terminate'), kill: () => asked.push('kill') };
    },
  };
  const supervisor = createSupervisor({
    specs: names.map((name) => ({ name, args: [], ...(name.startsWith('rests') && { restAfterDeathMs: 1_000 }) })),
    hasLeft: (name) => name !== 'stays',
    processes,
    clock,
    random: createRandom('supervisor'),
    inspector: createInspector({ clock }),
  });
  const news: string[] = [];
  const failed: string[] = [];
  supervisor.news.subscribe((line) => news.push(line));
  supervisor.failed.subscribe(({ name, message }) => failed.push(`${name}: ${message}`));
  const finished: string[] = [];
  supervisor.finished.subscribe((name) => finished.push(name));
  const newest = (): Fake => {
    const child = spawned.at(-1);
    if (child === undefined) throw new Error('nothing was spawned');
    return child;
  };
  return { clock, supervisor, spawned, news, finished, failed, newest };
}

test('all are ready when each has said so', () => {
  const { supervisor, spawned } = setUp(['a', 'b']);
  assert.not(supervisor.allReady);
  spawned[0]?.ready();
  assert.not(supervisor.allReady);
  spawned[1]?.ready();
  assert.ok(supervisor.allReady);
});

test('a process that dies is started again, later each time, and it says so', () => {
  const { clock, supervisor, spawned, news, newest } = setUp(['a']);
  newest().ready();
  newest().exit({ signal: 'SIGKILL' });
  assert.match(news[0] ?? '', /a was killed by SIGKILL: starting it again in \d+ ms/);
  clock.advance(100);
  assert.is(spawned.length, 2);
  for (let deaths = 2; deaths <= 5; deaths++) {
    newest().exit({ code: 1, lastWords: 'it broke' });
    assert.match(news.at(-1) ?? '', /exit code 1 \(it broke\)/);
    clock.advance(100 * 2 ** (deaths - 1));
    assert.is(spawned.length, deaths + 1);
  }
  assert.is(supervisor.children[0]?.restarts, 5);
});

test('one whose work others take over is given time for that before it is started again', () => {
  const { clock, spawned, newest } = setUp(['rests']);
  newest().ready();
  newest().exit({ signal: 'SIGKILL' });
  clock.advance(999);
  assert.is(spawned.length, 1);
  clock.advance(101);
  assert.is(spawned.length, 2);
});

test('after a steady while earlier deaths are forgiven', () => {
  const { clock, spawned, newest } = setUp(['a']);
  for (let death = 0; death < 6; death++) {
    newest().exit({ code: 1 });
    clock.advance(10_000);
  }
  newest().ready();
  clock.advance(10_000);
  const before = spawned.length;
  newest().exit({ code: 1 });
  clock.advance(100);
  assert.is(spawned.length, before + 1, 'at once again');
});

test('a process that has finished is not started again, and it is said; nobody waits for it', () => {
  const { clock, supervisor, spawned, finished, failed, news } = setUp(['early', 'late', 'stays']);
  spawned[0]?.exit({ code: 0 });
  spawned[1]?.ready();
  spawned[2]?.ready();
  assert.ok(supervisor.allReady);
  spawned[1]?.exit({ code: 0, lastWords: 'it has left' });
  clock.advance(60_000);
  assert.equal([spawned.length, finished, failed, news], [3, ['early', 'late'], [], []]);
  assert.equal(
    supervisor.children.map(({ state, restarts }) => [state, restarts]),
    [
      ['stopped', 0],
      ['stopped', 0],
      ['ready', 0],
    ],
  );
  let done = 0;
  supervisor.stop(() => done++);
  spawned[2]?.exit({ code: 0 });
  assert.is(done, 1);
  assert.equal(finished, ['early', 'late'], 'an end that was asked for is no news');
});

test('a process that somebody else ended in order is started again', () => {
  const { clock, spawned, finished, news, newest } = setUp(['stays']);
  newest().ready();
  newest().exit({ code: 0 });
  clock.advance(60_000);
  assert.equal([spawned.length, finished], [2, []]);
  assert.match(news[0] ?? '', /^stays ended with exit code 0: starting it again in \d+ ms$/);
});

test('wrong usage is not tried again: its last words are told', () => {
  const { clock, supervisor, spawned, failed, newest } = setUp(['a']);
  newest().exit({ code: 2, lastWords: 'port 7411 is in use' });
  clock.advance(60_000);
  assert.is(spawned.length, 1);
  assert.equal(failed, ['a: port 7411 is in use']);
  assert.is(supervisor.children[0]?.state, 'failed');
});

test('once it was ready, a refusal may pass: it is tried again, before and after it is ready anew', () => {
  const { clock, spawned, failed, news, newest } = setUp(['a']);
  newest().ready();
  newest().exit({ code: 2, lastWords: 'port 7411 is in use' });
  assert.match(news[0] ?? '', /exit code 2 \(port 7411 is in use\): starting it again/);
  clock.advance(100);
  newest().exit({ code: 2 });
  clock.advance(200);
  assert.is(spawned.length, 3);
  assert.equal(failed, []);
});

test('a process that could not be started at all is tried again', () => {
  const { clock, spawned, news, newest } = setUp(['a']);
  newest().exit({ lastWords: 'spawn ENOENT' });
  assert.match(news[0] ?? '', /a could not be started \(spawn ENOENT\)/);
  clock.advance(100);
  assert.is(spawned.length, 2);
});

test('waits are drawn from zero up to a ceiling that doubles, at most 10 s', () => {
  const { clock, news, newest } = setUp(['a']);
  const waits: number[] = [];
  for (let deaths = 1; deaths <= 40; deaths++) {
    newest().exit({ code: 1 });
    waits.push(Number(/in (\d+) ms/.exec(news.at(-1) ?? '')?.[1]));
    clock.advance(10_000);
  }
  for (const [at, wait] of waits.entries()) assert.ok(wait <= Math.min(10_000, 100 * 2 ** at), `${at}: ${wait}`);
  assert.ok(Math.max(...waits) > 5_000, 'long in the end');
  assert.ok(Math.min(...waits.slice(10)) < 5_000, 'and never all at the same time');
});

test('a short while of readiness does not forgive', () => {
  const { clock, spawned, news, newest } = setUp(['a']);
  for (let deaths = 1; deaths <= 8; deaths++) {
    newest().ready();
    clock.advance(9_999);
    newest().exit({ code: 1 });
    clock.advance(10_000);
  }
  assert.is(spawned.length, 9);
  const waits = news.map((line) => Number(/in (\d+) ms/.exec(line)?.[1]));
  assert.ok(
    waits.some((wait) => wait > 100),
    `later and later: ${waits.join()}`,
  );
});

test('words of a process that is gone change nothing', () => {
  const { clock, supervisor, spawned } = setUp(['a']);
  spawned[0]?.exit({ code: 1 });
  clock.advance(100);
  spawned[0]?.ready();
  spawned[0]?.exit({ code: 2 });
  assert.is(supervisor.children[0]?.state, 'starting');
  assert.not(supervisor.allReady);
});

test('what the screen shows: states, process ids, restarts, since when', () => {
  const { clock, supervisor, spawned } = setUp(['a', 'b']);
  const since = clock.now();
  spawned[0]?.ready();
  clock.advance(50);
  spawned[1]?.exit({ code: 1 });
  assert.equal(supervisor.children, [
    { name: 'a', state: 'ready', pid: 1, restarts: 0, since },
    { name: 'b', state: 'backingOff', pid: null, restarts: 1, since },
  ]);
  clock.advance(100);
  const { state, pid, since: again } = supervisor.children[1] ?? {};
  assert.equal({ state, pid }, { state: 'starting', pid: 3 });
  assert.ok((again ?? 0) > since);
});

test('stopping in the midst of everything', () => {
  const { clock, supervisor, spawned, news } = setUp(['dead', 'refused', 'ready', 'starting']);
  spawned[0]?.exit({ code: 1 });
  spawned[1]?.exit({ code: 2 });
  spawned[2]?.ready();
  let done = 0;
  supervisor.stop(() => done++);
  assert.equal(
    spawned.map(({ asked }) => asked.length),
    [0, 0, 1, 1],
  );
  spawned[3]?.exit({ signal: 'SIGTERM' });
  // It says that it was started wrongly, now that it does not matter.
  spawned[2]?.exit({ code: 2 });
  assert.is(done, 1);
  clock.advance(60_000);
  assert.is(spawned.length, 4);
  assert.is(done, 1);
  assert.is(news.length, 1, 'an end that was asked for is no news');
  assert.equal(
    supervisor.children.map(({ state }) => state),
    ['stopped', 'failed', 'stopped', 'stopped'],
  );
});

test('stopping: asked first, killed after the grace, done when all have ended', () => {
  const { clock, supervisor, spawned } = setUp(['a', 'b', 'c']);
  spawned[0]?.ready();
  spawned[2]?.exit({ code: 1 });
  let done = false;
  supervisor.stop(() => {
    done = true;
  });
  assert.equal(spawned[0]?.asked, ['terminate']);
  assert.equal(spawned[1]?.asked, ['terminate']);
  spawned[0]?.exit({ code: 0 });
  assert.not(done);
  clock.advance(5_000);
  assert.equal(spawned[1]?.asked, ['terminate', 'kill']);
  spawned[1]?.exit({ signal: 'SIGKILL' });
  assert.ok(done);
  clock.advance(60_000);
  assert.is(spawned.length, 3, 'nothing is started again');
});

test.run();
