// Changes of what the cluster agreed on, brought to a leader that moves, dies and answers late: each is made once.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { createControlProposer } from '../../src/actors/cluster/control-proposer.ts';
import { createLeaderCalls } from '../../src/actors/cluster/leader-calls.ts';
import { createControlSessions } from '../../src/core/control-sessions.ts';
import { createControlState } from '../../src/core/control-state.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import { limits } from '../../src/core/limits.ts';
import type { QuestionOutcome } from '../../src/streams/envelope.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

const A = 'a' as BrokerId;
const B = 'b' as BrokerId;
/** What happens to one attempt: it is applied or not, and what is said of it. */
type Fate = 'ok' | 'lostAnswer' | 'lostQuestion' | 'notLeader' | 'invalid';

function create(idleMs = 1_000_000) {
  const clock = createVirtualClock({ startMs: 1_000 });
  const state = createControlState(undefined, (saved) => createControlSessions({ sessionsMax: 10, idleMs }, saved));
  const fates: Fate[] = [];
  const asked: BrokerId[] = [];
  let leader: BrokerId | null = A;
  let index = 0;
  const calls = createLeaderCalls({
    clock,
    random: createRandom(1),
    ask(to, question, timeoutMs, done) {
      asked.push(to);
      const fate = fates.shift() ?? 'ok';
      const refuse = (code: 'UNAVAILABLE' | 'INVALID_ARGUMENT', hint: BrokerId | null) =>
        clock.defer(() => done({ outcome: 'notDone', code, message: fate, leader: hint }));
      if (fate === 'notLeader') return refuse('UNAVAILABLE', B);
      if (fate === 'invalid') return refuse('INVALID_ARGUMENT', null);
      assert.equal(question.what, 'propose');
      if (question.what !== 'propose') return;
      const result = fate === 'lostQuestion' ? null : state.apply(++index, question.entry);
      if (fate === 'ok' && result !== null) clock.after(1, () => done({ outcome: 'done', result }));
      else clock.after(timeoutMs, () => done({ outcome: 'unknown', message: 'no answer' }));
    },
  });
  const proposer = createControlProposer({ clock, calls, leader: () => leader });
  return {
    clock,
    state,
    fates,
    asked,
    proposer,
    stop() {
      proposer.stop();
      calls.stop();
    },
    leads(who: BrokerId | null) {
      leader = who;
    },
    set(version: number, call?: { session: number; sequence: number }) {
      const heard: QuestionOutcome[] = [];
      const change = { configChanged: { version, values: { k: version } } };
      proposer.propose(change, (outcome) => heard.push(outcome), call);
      return heard;
    },
  };
}

const value = (heard: readonly QuestionOutcome[]) => {
  const [outcome] = heard;
  return outcome?.outcome === 'done' ? outcome.result.value : outcome?.outcome;
};

test('a change whose answer is lost is proposed again, and made once', () => {
  const { clock, state, fates, set } = create();
  fates.push('ok', 'lostAnswer', 'lostAnswer', 'ok');
  const heard = set(0);
  clock.advance(limits.control.deadlineMs);
  assert.equal(value(heard), 1, 'the result of the first attempt, not a lost race');
  assert.equal(state.config.version, 1);
  assert.equal(clock.pending, 0);
});

test('who does not lead says who does, and is believed once', () => {
  const { clock, asked, fates, set } = create();
  fates.push('notLeader', 'ok', 'notLeader', 'lostQuestion', 'ok');
  const heard = set(0);
  clock.advance(limits.control.deadlineMs);
  assert.equal(value(heard), 1);
  assert.deepEqual(asked, [A, B, A, B, A]);
});

test('without a leader it is certain that nothing was done; it is waited for until the deadline', () => {
  const { clock, state, leads, set } = create();
  leads(null);
  const heard = set(0);
  clock.advance(limits.control.deadlineMs - 1);
  assert.deepEqual(heard, []);
  clock.advance(1);
  assert.equal(value(heard), 'notDone');
  const soon = set(0);
  clock.advance(1_000);
  leads(B);
  clock.advance(2_000);
  assert.equal(value(soon), 1);
  assert.equal(state.config.version, 1);
});

test('never answered: unknown; and a later change makes the earlier one impossible', () => {
  const { clock, state, fates, set } = create();
  fates.push('ok', ...Array.from({ length: 100 }, (): Fate => 'lostQuestion'));
  const heard = set(0);
  clock.advance(limits.control.deadlineMs);
  assert.equal(value(heard), 'unknown');
  fates.length = 0;
  const next = set(0);
  clock.advance(100);
  assert.equal(value(next), 1);
  assert.equal(state.config.version, 1);
});

test('a refusal that cannot get better ends it', () => {
  const { clock, asked, fates, set } = create();
  fates.push('ok', 'invalid');
  const heard = set(0);
  clock.advance(5);
  assert.equal(value(heard), 'notDone');
  assert.equal(asked.length, 2);
});

test('changes wait for the one before them; too many are refused', () => {
  const { clock, state, set } = create();
  const all = Array.from({ length: limits.control.waitingMax + 2 }, (_, version) => set(version));
  clock.advance(0);
  const [refused] = all.at(-1) ?? [];
  assert.equal(refused?.outcome === 'notDone' && refused.code, 'RESOURCE_EXHAUSTED');
  clock.advance(1_000);
  assert.deepEqual(
    all.slice(0, -1).map(value),
    Array.from({ length: limits.control.waitingMax + 1 }, (_, version) => version + 1),
  );
  assert.equal(state.config.version, limits.control.waitingMax + 1);
});

test('a session that has expired: opened anew, unless an attempt before may have been applied', () => {
  const { clock, state, fates, set } = create(500);
  const first = set(0);
  clock.advance(10);
  assert.equal(value(first), 1);
  clock.advance(1_000);
  const second = set(1);
  clock.advance(10);
  assert.equal(value(second), 2, 'nothing was tried in the old session');
  clock.advance(1_000);
  fates.push('lostQuestion');
  const third = set(2);
  clock.advance(limits.control.deadlineMs);
  assert.equal(value(third), 'unknown', 'for all that it knows the lost attempt was applied');
  assert.equal(state.config.version, 2);
});

test("a caller's own call does not wait, and asked twice is made once", () => {
  const { clock, state, proposer, set } = create();
  const opened: QuestionOutcome[] = [];
  proposer.propose({ sessionOpened: {} }, (outcome) => opened.push(outcome));
  clock.advance(10);
  const session = Number(value(opened));
  const twice = [set(0, { session, sequence: 1 }), set(0, { session, sequence: 1 })];
  clock.advance(10);
  assert.deepEqual(twice.map(value), [1, 1]);
  assert.equal(state.config.version, 1);
});

test('stopped: everything ends, each once', () => {
  const { clock, fates, set, stop } = create();
  fates.push('ok', 'lostQuestion');
  const all = [set(0), set(1)];
  clock.advance(10);
  stop();
  assert.deepEqual(all.map(value), ['unknown', 'notDone']);
  const after = set(5);
  clock.advance(limits.control.deadlineMs);
  assert.equal(value(after), 'notDone');
  assert.deepEqual(
    all.map(({ length }) => length),
    [1, 1],
  );
});

test.run();
