// What is for good is for good: in a final state of a chart nothing comes of any event. xstate itself would still take a transition
// that stands at the root, and lead out of the end again; so none may stand there.
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { agentMachine } from '../../src/machines/agent.ts';
import { brokerMachine } from '../../src/machines/broker.ts';
import { childProcessMachine } from '../../src/machines/child-process.ts';
import { reportSessionMachine } from '../../src/machines/report-session.ts';
import { subscriptionMachine } from '../../src/machines/subscription.ts';
import { viewerSubscriptionMachine } from '../../src/machines/viewer-subscription.ts';
import { createStepper } from '../../src/streams/stepper.ts';
import { findCharts } from '../mutation/charts.ts';

const test = suite('final states');

const CHARTS: readonly AnyStateMachine[] = [
  agentMachine,
  brokerMachine,
  childProcessMachine,
  reportSessionMachine,
  subscriptionMachine,
  viewerSubscriptionMachine,
];

/** What any of them wants to know. */
const INPUT = {
  connectTimeoutMs: 1,
  ackTimeoutMs: 1,
  heartbeatMs: 1,
  steadyMs: 1,
  graceMs: 1,
  helloTimeoutMs: 1,
  openPatienceMs: 1,
  catchUpPatienceMs: 1,
  answerPatienceMs: 1,
};

const isFinal = (state: object): boolean => 'type' in state && state.type === 'final';

/** Everything that it knows how to take, anywhere. */
const eventsOf = (node: AnyStateNode): string[] => [
  ...node.transitions.keys(),
  ...Object.values(node.states).flatMap(eventsOf),
];

for (const chart of CHARTS) {
  const ends = Object.values(chart.root.states).filter(isFinal);
  for (const { key } of ends) {
    test(`${chart.id}: nothing comes of anything once it is ${key}`, () => {
      const ended = chart.resolveState({ value: key, context: INPUT as never });
      const stepper = createStepper(chart, INPUT as never);
      const events = new Set(eventsOf(chart.root));
      assert.ok(events.size > 0);
      for (const type of events) {
        const { snapshot, actions } = stepper.step(ended, { type, at: 0 } as never);
        assert.is(snapshot.value, key, type);
        assert.is(actions.length, 0, type);
      }
    });
  }
}

test('these are all charts that come to an end', async () => {
  const withEnd = (await findCharts('.')).filter(({ config }) => Object.values(config.states ?? {}).some(isFinal));
  assert.equal(withEnd.map(({ name }) => name).sort(), [
    'agent',
    'broker',
    'child-process',
    'report-session',
    'subscription',
    'viewer-subscription',
  ]);
});

test.run();
