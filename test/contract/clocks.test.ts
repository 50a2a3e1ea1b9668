import { createClockView } from '../../src/streams/clock-view.ts';
import { createRealClock } from '../../src/streams/real-clock.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { until } from '../support/until.ts';
import { clockContract } from './clock-contract.ts';

clockContract('real', () => ({ clock: createRealClock(), until })).run();

function turning(
  view: (clock: ReturnType<typeof createVirtualClock>) => ReturnType<typeof createClockView> | typeof clock,
) {
  const clock = createVirtualClock();
  return {
    clock: view(clock),
    until(what: string, condition: () => boolean) {
      for (let steps = 0; !condition(); steps++) {
        if (steps > 1_000_000 || !clock.step()) throw new Error(`in vain: ${what}`);
      }
    },
  };
}

clockContract('virtual', () => turning((clock) => clock)).run();
clockContract('view of a virtual one', () => turning((clock) => createClockView(clock))).run();
clockContract('view that runs fast', () =>
  turning((clock) => createClockView(clock, { skewMs: 5000, driftPpm: 12_345 })),
).run();
clockContract('view that runs slow', () =>
  turning((clock) => createClockView(clock, { skewMs: -5000, driftPpm: -77_777 })),
).run();
