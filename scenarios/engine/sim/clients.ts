// The clients of one group: they propose and read, one thing after another, at whichever member they think leads.
import type { BrokerId, LogIndex, Millis } from '../../../src/core/ids.ts';
import type { Random } from '../../../src/streams/random.ts';
import type { VirtualClock } from '../../../src/streams/virtual-clock.ts';
import type { GroupChecker } from './checker.ts';
import type { WorkloadOptions } from './options.ts';
import { encodeProposal } from './payload.ts';
import type { SimProcess } from './process.ts';
import type { Trace } from './trace.ts';
import { rule } from './violation.ts';

export interface Clients {
  stop(): void;
  /** One proposal at this member; `done` is told the index when it was applied, else null. */
  propose(at: SimProcess, done: (index: LogIndex | null) => void): void;
  /** One read at this member; `done` is told whether it was answered. */
  read(at: SimProcess, done: (answered: boolean) => void): void;
}

export interface ClientsPorts {
  readonly group: number;
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly names: readonly BrokerId[];
  readonly processes: readonly SimProcess[];
  readonly checker: GroupChecker;
  readonly trace: Trace;
  readonly options: WorkloadOptions;
}

const BACKOFF_DOUBLINGS_MAX = 5;
const RESULTS = { applied: 1, notApplied: 2, unknown: 3 } as const;

export function createClients({
  group,
  clock,
  random,
  names,
  processes,
  checker,
  trace,
  options,
}: ClientsPorts): Clients {
  const { clientsPerGroup, thinkMeanMs, readChance, timeoutMs, payloadBytesMax, burstMax } = options;
  let nextProposal = 1;
  let nextRead = 1;
  let stopped = false;
  /** The member that answered last, or that a refusal named. */
  let leader: number | null = null;

  function propose(at: SimProcess, done: (index: LogIndex | null) => void): void {
    const proposal = nextProposal++;
    const payload = encodeProposal(proposal, random.integer(4, payloadBytesMax));
    trace.note('propose', at.number, group, proposal);
    checker.history.proposed(proposal);
    at.enter(() => {
      const member = at.group(group);
      if (member === undefined) return;
      let within = true;
      member.propose(payload, timeoutMs, (outcome) => {
        rule('outcomes come later', !within, () => `proposal ${proposal} was answered within the call`);
        trace.note(
          'outcome',
          at.number,
          group,
          proposal,
          RESULTS[outcome.outcome],
          outcome.outcome === 'applied' ? outcome.index : -1,
        );
        checker.history.settled(proposal, outcome);
        if (outcome.outcome === 'applied') leader = at.number;
        else if (outcome.outcome === 'notApplied')
          leader = outcome.leader === null ? null : names.indexOf(outcome.leader);
        done(outcome.outcome === 'applied' ? outcome.index : null);
      });
      within = false;
    });
  }

  function read(at: SimProcess, done: (answered: boolean) => void): void {
    const asked = nextRead++;
    const read = checker.history.asked();
    trace.note('read', at.number, group, asked, read.floor);
    at.enter(() => {
      const member = at.group(group);
      if (member === undefined) return;
      let told = 0;
      member.read((error) => {
        rule('one answer to a read', ++told === 1, () => `read ${asked} was answered ${told} times`);
        trace.note('answer', at.number, group, asked, error === null ? 1 : 0, checker.appliedBy(at.number));
        if (error === null) checker.answered(at.number, read);
        else if (leader === at.number) leader = null;
        done(error === null);
      });
    });
  }

  function target(): SimProcess {
    const known = leader === null || random.next() < 0.1 ? undefined : processes[leader];
    const found = known ?? processes[random.integer(0, processes.length - 1)];
    if (found === undefined) throw new RangeError('a cluster has members');
    return found;
  }

  const later = (ms: Millis, run: () => void) => clock.after(-Math.log(1 - random.next()) * ms, run);

  /** One client: each refusal in a row makes it wait longer. */
  function startClient(): void {
    let refusals = 0;

    function next(succeeded: boolean): void {
      refusals = succeeded ? 0 : Math.min(refusals + 1, BACKOFF_DOUBLINGS_MAX);
      if (!stopped) later(thinkMeanMs * 2 ** refusals, act);
    }

    function act(): void {
      if (stopped) return;
      const at = target();
      if (!at.isUp()) {
        leader = null;
        next(false);
        return;
      }
      const reads = random.next() < readChance;
      let waiting = reads ? 1 : random.integer(1, burstMax);
      let over = false;
      // It gives up on a member that says nothing, which may be dead.
      const patience = clock.after(timeoutMs * 1.5, () => {
        over = true;
        leader = null;
        next(false);
      });
      const answered = (succeeded: boolean) => {
        if (over || --waiting > 0) return;
        over = true;
        patience.cancel();
        next(succeeded);
      };
      if (reads) read(at, answered);
      else for (let n = waiting; n > 0; n--) propose(at, (index) => answered(index !== null));
    }

    later(thinkMeanMs, act);
  }

  for (let client = 0; client < clientsPerGroup; client++) startClient();

  return {
    stop() {
      stopped = true;
    },
    propose,
    read,
  };
}
