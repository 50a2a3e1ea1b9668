// A process that runs one test file again and again, each time with another mutant of a chart: the file is loaded anew, everything
// below it is not, and the chart is changed in place. So a run costs milliseconds, where a process of its own would cost a second.
//
// It is told what to run by messages, and says what came of it (trial.ts). `node --import tsx worker.ts CHART EXPORT TEST`.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type AnyStateMachine, type AnyStateNode, StateMachine } from 'xstate';
import { configOf } from './charts.ts';
import { heardBy, type Mutant, mutated } from './mutants.ts';

/** Null: the chart as it is. */
export interface Order {
  readonly mutant: Mutant | null;
}

export interface Outcome {
  /** What uvu says of the first test that failed. */
  readonly failure: string | null;
  /** Why the mutant is no chart: a mistake of this program, and nothing that a test has noticed. */
  readonly unfit: string | null;
  readonly ms: number;
  /** Which events reached which states so far, while the chart was whole (`heardBy`). */
  readonly heard: readonly string[];
}

type Runner = () => Promise<readonly [errors: string | true, ...counts: number[]]>;
/** How uvu takes part: suites wait here until somebody runs them. */
const uvu = globalThis as { UVU_DEFER?: number; UVU_QUEUE?: (Runner | null)[][] };

const url = (file: string): string => pathToFileURL(join(process.cwd(), file)).href;
const [chart = '', exported = '', test = ''] = process.argv.slice(2);
uvu.UVU_DEFER = 1;
const machine = ((await import(url(chart))) as Readonly<Record<string, object>>)[exported];
if (machine === undefined) throw new RangeError(`${chart} exports no ${exported}`);
const original = { ...machine } as AnyStateMachine;
const heard = new Set<string>();
let runs = 0;

/** Notes what a state is asked for: both xstate and the compiled steps (src/streams/quiet-step.ts) look events up here. */
class Listening<Value> extends Map<string, Value> {
  readonly #path: readonly string[];
  constructor(entries: Iterable<readonly [string, Value]>, path: readonly string[]) {
    super(entries);
    this.#path = path;
  }
  override get(type: string): Value | undefined {
    heard.add(heardBy(this.#path, type));
    return super.get(type);
  }
}

function listen(node: AnyStateNode): void {
  node.transitions = new Listening(node.transitions, node.path);
  for (const inner of Object.values(node.states)) listen(inner);
}

/** A mutant that hands an event to itself without end throws, instead of hanging. */
const options = { maxIterations: 10_000 };

function become(mutant: Mutant | null): void {
  const { implementations } = original;
  const other =
    mutant === null
      ? original
      : new StateMachine({ ...mutated(configOf(original), mutant), options } as never, implementations as never);
  Object.assign(machine as object, other);
}

// Nobody reads what tests print. A cross is uvu's for a failed test: nothing after it is of interest, and uvu's own `finally` makes
// of this error the end of the suite.
process.stdout.write = (text) => {
  if (String(text).includes('✘')) throw new Error('failed');
  return true;
};

async function runTests(): Promise<string | null> {
  const queue: (Runner | null)[] = [null];
  uvu.UVU_QUEUE = [queue];
  runs++;
  await import(`${url(test)}?run=${runs}`);
  for (const run of queue) {
    const [errors] = (await run?.()) ?? [true];
    if (errors !== true) return errors;
  }
  return queue.length > 1 ? null : 'it registers no test';
}

function answer(failure: string | null, unfit: string | null, began: number): void {
  process.send?.({ failure, unfit, ms: Date.now() - began, heard: [...heard] } satisfies Outcome);
}

listen(original.root);
process.on('message', ({ mutant }: Order) => {
  const began = Date.now();
  try {
    become(mutant);
  } catch (error) {
    answer(null, String(error), began);
    return;
  }
  void runTests().then((failure) => {
    become(null);
    answer(failure, null, began);
  });
});
process.on('disconnect', () => process.exit());
