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
    specs: names.map((name) => ({ name, args: [] })),
    processes,
    clock,
    random: createRandom('supervisor'),
    inspector: createInspector({ clock }),
  });
  const news: string[] = [];
  const failed: string[] = [];
  supervisor.news.subscribe((line) => news.push(line));
  supervisor.failed.subscribe(({ name, message }) => failed.push(`${name}: ${message}`));
  const newest = (): Fake => {
    const child = spawned.at(-1);
    if (child === undefined) throw new Error('nothing was spawned');
    return child;
  };
  return { clock, supervisor, spawned, news, failed, newest };
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

test('wrong usage is not tried again: its last words are told', () => {
  const { clock, supervisor, spawned, failed, newest } = setUp(['a']);
  newest().exit({ code: 2, lastWords: 'port 7411 is in use' });
  clock.advance(60_000);
  assert.is(spawned.length, 1);
  assert.equal(failed, ['a: port 7411 is in use']);
  assert.is(supervisor.children[0]?.state, 'failed');
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
