// Questions between brokers: over a link or through one other broker, and what is known when links break.
import { strict as assert } from 'node:assert';
import { test } from 'uvu';
import { createQuestions, type Questions } from '../../src/actors/cluster/questions.ts';
import { doneResult } from '../../src/core/control-sessions.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import type { AskedQuestion, GivenAnswer, PeerMessage, Question, QuestionOutcome } from '../../src/streams/envelope.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

const READ: Question = { what: 'read' };
const DONE: QuestionOutcome = { outcome: 'done', result: doneResult(7) };
const id = (name: string) => name as BrokerId;

/** Brokers a, b and c; links as given, one millisecond each way. */
function create(...links: readonly string[]) {
  const clock = createVirtualClock();
  const linked = new Set(links.flatMap((pair) => [pair, pair.split('').reverse().join('')]));
  const nodes = new Map<string, Questions>();
  const asked: string[] = [];
  const travelled: string[] = [];
  let answer = (done: (outcome: QuestionOutcome) => void) => done(DONE);
  for (const self of ['a', 'b', 'c']) {
    const questions = createQuestions({
      self: id(self),
      clock,
      peers: {
        get views() {
          return ['a', 'b', 'c']
            .filter((other) => other !== self)
            .map((other) => ({
              id: id(other),
              state: linked.has(`${self}${other}`) ? 'up' : 'connecting',
              grpcAddress: '',
              httpAddress: '',
              incarnation: '',
              zone: '',
              refuses: false,
              cluster: null,
            }));
        },
        send(to, message: PeerMessage) {
          clock.after(1, () => {
            if (!linked.has(`${self}${to}`)) return;
            travelled.push(`${self}${to} ${message.kind}`);
            nodes.get(to)?.receive(id(self), message as AskedQuestion | GivenAnswer);
          });
        },
      },
      answer(_question, _timeout, done) {
        asked.push(self);
        answer(done);
      },
    });
    nodes.set(self, questions);
  }
  const node = (name: string) => {
    const found = nodes.get(name);
    assert.ok(found !== undefined);
    return found;
  };
  return {
    clock,
    asked,
    travelled,
    node,
    answersWith(how: typeof answer) {
      answer = how;
    },
    cut(pair: string) {
      const [x = '', y = ''] = pair;
      linked.delete(pair);
      linked.delete(`${y}${x}`);
      node(x).peerLost(id(y));
      node(y).peerLost(id(x));
    },
    mend(pair: string) {
      const [x = '', y = ''] = pair;
      linked.add(pair).add(`${y}${x}`);
    },
    ask(from: string, to: string, timeoutMs = 100) {
      const heard: QuestionOutcome[] = [];
      node(from).ask(id(to), READ, timeoutMs, (outcome) => heard.push(outcome));
      assert.deepEqual<unknown>(heard, [], 'never at once');
      return heard;
    },
  };
}

test('over the link, through one that has a link, or of itself', () => {
  const { clock, asked, travelled, ask } = create('ab', 'bc');
  const heard = [ask('a', 'b'), ask('a', 'c'), ask('a', 'a')];
  clock.advance(10);
  assert.deepEqual(heard, [[DONE], [DONE], [DONE]]);
  assert.deepEqual(asked.toSorted(), ['a', 'b', 'c']);
  assert.equal(travelled.filter((hop) => hop.endsWith('question')).length, 3, 'two hops to c, one to b');
});

test('two hops at most: who is asked to pass on and has no link says so', () => {
  const { clock, asked, ask, node } = create('ab');
  const heard = ask('a', 'c');
  node('b').receive(id('a'), {
    kind: 'question',
    requestId: 99,
    to: id('c'),
    relayed: true,
    timeoutMs: 10,
    question: READ,
  });
  clock.advance(10);
  assert.equal(heard[0]?.outcome, 'notDone');
  assert.deepEqual(asked, []);
});

test('without any link it is certain that nothing was done', () => {
  const { clock, ask } = create('bc');
  const heard = ask('a', 'b');
  clock.advance(1);
  assert.deepEqual(heard, [{ outcome: 'notDone', code: 'UNAVAILABLE', message: 'a has no link to b', leader: null }]);
});

test('no answer in time, or a link that breaks: unknown', () => {
  const { clock, ask, cut, answersWith } = create('ab', 'ac');
  answersWith(() => {});
  const late = ask('a', 'b', 50);
  clock.advance(50);
  assert.equal(late[0]?.outcome, 'unknown');
  const broken = ask('a', 'c', 50);
  clock.advance(5);
  cut('ac');
  assert.equal(broken[0]?.outcome, 'unknown');
  clock.advance(100);
  assert.deepEqual([late.length, broken.length], [1, 1], 'told once');
});

test('what was asked over one stream is not answered over the next', () => {
  const { clock, ask, cut, mend, answersWith, travelled } = create('ab');
  const answers: ((outcome: QuestionOutcome) => void)[] = [];
  answersWith((done) => void answers.push(done));
  ask('a', 'b');
  clock.advance(1);
  cut('ab');
  mend('ab');
  answers[0]?.(DONE);
  clock.advance(5);
  assert.deepEqual(travelled, ['ab question']);
});

test('an answer counts only from whom it was asked', () => {
  const { clock, ask, node, answersWith } = create('ab', 'ac');
  answersWith(() => {});
  const heard = ask('a', 'b', 20);
  node('a').receive(id('c'), { kind: 'answer', requestId: 1, result: DONE });
  assert.deepEqual<unknown>(heard, []);
  node('a').stop();
  assert.equal(heard[0]?.outcome, 'unknown');
  const after = ask('a', 'b');
  clock.advance(1);
  assert.equal(after[0]?.outcome, 'notDone');
  assert.equal(clock.pending, 0);
});

test.run();
