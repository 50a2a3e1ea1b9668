import { createMemoryWirePair } from '../../src/streams/memory-wire.ts';
import { createRealClock } from '../../src/streams/real-clock.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { until } from '../support/until.ts';
import { wireContract } from './wire-contract.ts';

const numbers = { message: (value: number) => value, value: (message: number) => message };

wireContract<number>(
  'in memory, real clock',
  () => ({ ...createMemoryWirePair<number>(createRealClock()), close() {} }),
  { ...numbers, until },
).run();

let clock = createVirtualClock();
wireContract<number>(
  'in memory, virtual clock',
  () => {
    clock = createVirtualClock();
    return { ...createMemoryWirePair<number>(clock), close() {} };
  },
  {
    ...numbers,
    until(what, condition) {
      while (!condition()) if (!clock.step()) throw new Error(`in vain: ${what}`);
    },
  },
).run();
