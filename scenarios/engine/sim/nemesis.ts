// Brings the faults of a schedule, each at its moment and to whom it then concerns, mends each when its time is over, and counts what
// each one touched: one that touched nothing has shown nothing.
import type { Millis } from '../../../src/core/ids.ts';
import type { Random } from '../../../src/streams/random.ts';
import type { VirtualClock } from '../../../src/streams/virtual-clock.ts';
import type { Cluster } from './cluster.ts';
import type { SimProcess } from './process.ts';
import type { DiskTrouble } from './store.ts';
import { askForMembers } from './membership-faults.ts';
import type { LinkFault } from './network.ts';
import {
  plainLink,
  type AwaitKind,
  type ClockFault,
  type CrashAtFault,
  type DiskFault,
  type Direction,
  type MembershipFault,
  type NetworkFault,
  type Step,
  type Target,
} from './schedule.ts';

/** What became of a step. */
export interface Brought {
  readonly step: Step;
  /** Whom it met. */
  readonly members: readonly number[];
  /** Processes that it stopped, messages that it lost or delayed, what a disk did late … */
  readonly touched: number;
  /** Where it met them, when that is not settled before. */
  readonly places: readonly string[];
}

export interface Nemesis {
  /** No more faults, and nothing is mended any more: what is broken stays so. */
  stop(): void;
  /** Of every step whose moment came, in their order. */
  readonly brought: readonly Brought[];
}

/** A fault at work. */
interface Work {
  readonly members: readonly number[];
  /** How many operations it has touched so far. */
  readonly touched: () => number;
  /** Mends it. */
  readonly end: () => void;
  readonly places?: readonly string[];
}

type Pair = readonly [from: number, to: number];

export function createNemesis(
  clock: VirtualClock,
  random: Random,
  cluster: Cluster,
  steps: readonly Step[],
  patienceMs: Millis,
): Nemesis {
  const { size } = cluster;
  const brought: Brought[] = [];
  let stopped = false;
  /** They are ending in order just now. */
  const ending = new Set<number>();
  const everyone = Array.from({ length: size }, (_, member) => member);

  // ---------------------------------------------------------------- targets

  function resolve(target: Target, group: number): readonly number[] {
    switch (target.type) {
      case 'member':
        return [target.member];
      case 'leader':
        return [cluster.leaderOf(target.group) ?? random.integer(0, size - 1)];
      case 'follower':
        return anyOf(everyone.filter((member) => member !== cluster.leaderOf(group)));
      case 'outsider':
        return anyOf(everyone.filter((member) => !cluster.hasMember(group, member)));
      case 'random':
        return anyOf(everyone);
      case 'minority':
        return several(Math.floor((size - 1) / 2));
      case 'majority':
        return several(Math.floor(size / 2) + 1);
    }
  }

  const anyOf = (members: readonly number[]): number[] =>
    members.length === 0 ? [] : members.slice(0).splice(random.integer(0, members.length - 1), 1);

  function several(count: number): number[] {
    const members = [...everyone];
    while (members.length > count) members.splice(random.integer(0, members.length - 1), 1);
    return members;
  }

  const resolveAll = (targets: readonly Target[], group = 0): number[] => [
    ...new Set(targets.flatMap((target) => resolve(target, group))),
  ];

  // ---------------------------------------------------------------- processes

  function crash(members: readonly number[]): Work {
    const hit = members.filter((member) => cluster.process(member).isUp());
    for (const member of hit) cluster.crash(member);
    return { members, touched: () => hit.length, end: () => hit.forEach(cluster.start) };
  }

  /** It dies by itself, in the midst of what it does; how long it is down counts from there. */
  function crashLater(members: readonly number[], forMs: Millis, arm: (member: number, die: () => void) => void): Work {
    let touched = 0;
    for (const member of members) {
      arm(member, () => {
        touched++;
        cluster.crash(member);
        clock.after(forMs, () => stopped || cluster.start(member));
      });
    }
    return { members, touched: () => touched, end: () => {} };
  }

  function crashAt({ of, nth, times, restart, forMs }: CrashAtFault, members: readonly number[]): Work {
    const places: AwaitKind[] = [];
    const back = (member: number, left: number) => {
      if (stopped) return;
      if (left > 0) arm(member, left);
      cluster.start(member);
    };
    const arm = (member: number, left: number) =>
      cluster.process(member).crashAtAwait({
        of,
        nth,
        die(at) {
          places.push(at);
          cluster.crash(member);
          clock.after(forMs, () => back(member, left - 1));
        },
      });
    for (const member of members) {
      if (!restart) arm(member, times);
      else {
        cluster.crash(member);
        clock.after(forMs, () => back(member, times));
      }
    }
    return { members, touched: () => places.length, end: () => {}, places };
  }

  /** In order; one that does not come to its end, for its disk hangs, is killed after a while. How long it is down counts from there. */
  function stop(members: readonly number[], forMs: Millis): Work {
    const places: string[] = [];
    let touched = 0;
    for (const member of members) {
      const process = cluster.process(member);
      if (process.isUp()) ending.add(member);
      process.stop(4 * patienceMs, (ledOn, handedOver) => {
        touched++;
        ending.delete(member);
        for (let n = 0; n < ledOn; n++) places.push('while leading');
        for (let n = 0; n < handedOver; n++) places.push('handed over');
        cluster.crash(member);
        clock.after(forMs, () => stopped || cluster.start(member));
      });
    }
    return { members, touched: () => touched, end: () => {}, places };
  }

  /** Those of whom as much may be lost, just now. */
  function wipe(members: readonly number[]): Work {
    const hit = members.filter(cluster.mayLose);
    const stopped = hit.filter((member) => cluster.process(member).isUp());
    for (const member of stopped) cluster.crash(member);
    for (const member of hit) cluster.process(member).wipe();
    return { members, touched: () => hit.length, end: () => stopped.forEach(cluster.start) };
  }

  function changeMembers(step: MembershipFault): Work {
    let touched = 0;
    const members = resolveAll(step.targets, step.group);
    askForMembers(
      cluster,
      step,
      members,
      patienceMs,
      () => stopped,
      () => touched++,
    );
    return { members, touched: () => touched, end: () => {} };
  }

  function pause(members: readonly number[]): Work {
    const hit = members
      .map((member) => cluster.process(member))
      .filter((process) => process.isUp() && !process.isPaused());
    for (const process of hit) process.pause();
    return { members, touched: () => hit.length, end: () => hit.forEach((process) => process.resume()) };
  }

  function disturbClock({ driftPpm, skewMs, jumpMs, leapMs }: ClockFault, members: readonly number[]): Work {
    const began = turnsOf(members);
    const each = (change: (process: SimProcess) => void) =>
      members.forEach((member) => change(cluster.process(member)));
    if (driftPpm !== 0) each((process) => process.drift(driftPpm));
    if (skewMs + jumpMs !== 0) each((process) => process.jump(skewMs + jumpMs));
    if (leapMs !== 0) each((process) => process.leap(leapMs));
    let ended: number | null = null;
    return {
      members,
      touched: () => (ended ?? turnsOf(members)) - began,
      end() {
        // What was set stays so; who looks at it from then on has been touched, too.
        if (jumpMs === 0 && leapMs === 0) ended = turnsOf(members);
        if (driftPpm !== 0) each((process) => process.drift(0));
        if (skewMs !== 0) each((process) => process.jump(-skewMs));
      },
    };
  }

  const turnsOf = (members: readonly number[]): number =>
    members.reduce((sum, member) => sum + cluster.process(member).turns(), 0);

  // ---------------------------------------------------------------- disks

  function disk({ kind, files, group, factor, forMs }: DiskFault, members: readonly number[]): Work {
    if (kind === 'torn-write')
      return crashLater(members, forMs, (member, die) => cluster.process(member).tear(files, die));
    if (kind === 'corrupt') {
      const hit = members.filter(
        (member) => cluster.mayLose(member) && cluster.process(member).spoilDisk(files, group),
      );
      return { members, touched: () => hit.length, end: () => {} };
    }
    const trouble = troubleOf(kind, factor);
    for (const member of members) cluster.process(member).troubleDisk(trouble, files);
    return {
      members,
      touched: () => trouble.touched,
      end: () => {
        for (const member of members) cluster.process(member).mendDisk(trouble, files);
      },
    };
  }

  // ---------------------------------------------------------------- network

  function impose(pairs: readonly Pair[], fault: LinkFault, members: readonly number[]): Work {
    for (const [from, to] of pairs) cluster.impose(from, to, fault);
    return {
      members,
      touched: () => fault.touched,
      end: () => {
        for (const [from, to] of pairs) cluster.lift(from, to, fault);
      },
    };
  }

  function cut(groups: readonly (readonly number[])[], direction: Direction): Work {
    const pairs = groups.flatMap((group, at) =>
      groups.slice(at + 1).flatMap((other) => group.flatMap((a) => other.flatMap((b) => waysOf(a, b, direction)))),
    );
    return impose(pairs, { cut: true, change: plainLink, touched: 0 }, groups.flat());
  }

  function network(step: NetworkFault): Work {
    const { from, to, both } = step.link;
    const pairs: Pair[] = both
      ? [
          [from, to],
          [to, from],
        ]
      : [[from, to]];
    const touched = step.reset && cluster.reset(from, to) ? 1 : 0;
    return impose(pairs, { cut: false, change: step, touched }, [from, to]);
  }

  // ---------------------------------------------------------------- steps

  function bring(step: Step): Work {
    switch (step.fault) {
      case 'crash': {
        const members = resolveAll(step.targets);
        const { moment } = step;
        if (moment === 'now') return crash(members);
        return crashLater(members, step.forMs, (member, die) => cluster.process(member).crashAt(moment, die));
      }
      case 'crash-at':
        return crashAt(step, resolveAll(step.targets));
      case 'stop':
        return stop(resolveAll(step.targets), step.forMs);
      case 'wipe':
        return wipe(resolveAll(step.targets));
      case 'membership':
        return changeMembers(step);
      case 'pause':
        return pause(resolveAll(step.targets));
      case 'partition':
        return cut(step.groups, step.direction);
      case 'isolate': {
        const members = resolveAll(step.targets);
        return cut([members, everyone.filter((member) => !members.includes(member))], step.direction);
      }
      case 'network':
        return network(step);
      case 'disk':
        return disk(step, resolveAll(step.targets));
      case 'clock':
        return disturbClock(step, resolveAll(step.targets));
    }
  }

  for (const step of steps) {
    clock.after(step.atMs, () => {
      if (stopped) return;
      const { members, touched, end, places = [] } = bring(step);
      brought.push({
        step,
        members,
        places,
        get touched() {
          return touched();
        },
      });
      clock.after(step.forMs, () => stopped || end());
    });
  }

  return {
    stop() {
      stopped = true;
      // Nobody waits for their end any more.
      for (const member of ending) cluster.crash(member);
    },
    brought,
  };
}

/** From the first to the second is out. */
function waysOf(a: number, b: number, direction: Direction): Pair[] {
  if (direction === 'out') return [[a, b]];
  return direction === 'in'
    ? [[b, a]]
    : [
        [a, b],
        [b, a],
      ];
}

function troubleOf(kind: 'slow' | 'hang' | 'full' | 'fsync-error', factor: number): DiskTrouble {
  if (kind === 'slow') return { kind, factor, touched: 0 };
  return kind === 'hang' ? { kind, factor: Number.POSITIVE_INFINITY, touched: 0 } : { kind, touched: 0 };
}
