// Brings the faults of a run: what, to whom and for how long is drawn from the seed. Everything it breaks it mends after a while;
// how long is drawn, too.
import type { Millis } from '../../../src/core/ids.ts';
import type { Random } from '../../../src/streams/random.ts';
import type { VirtualClock } from '../../../src/streams/virtual-clock.ts';
import type { Cluster } from './cluster.ts';
import { type FaultKind, faultKinds, type FaultOptions } from './options.ts';

export interface Nemesis {
  /** No more faults, and nothing is mended any more: what is broken stays so. */
  stop(): void;
}

export function createNemesis(clock: VirtualClock, random: Random, cluster: Cluster, options: FaultOptions): Nemesis {
  const { intervalMeanMs, durationMeanMs, weights } = options;
  const kinds = faultKinds.filter((kind) => (weights[kind] ?? 0) > 0);
  const total = kinds.reduce((sum, kind) => sum + (weights[kind] ?? 0), 0);
  const { size } = cluster;
  let stopped = false;

  const exponential = (mean: Millis) => -Math.log(1 - random.next()) * mean;
  const anyone = () => random.integer(0, size - 1);
  const leaderOfSome = () => cluster.leaderOf(random.integer(0, cluster.groups - 1));
  const later = (run: () => void) => clock.after(exponential(durationMeanMs), () => stopped || run());

  function draw(): FaultKind | undefined {
    let left = random.next() * total;
    return kinds.find((kind) => {
      left -= weights[kind] ?? 0;
      return left < 0;
    });
  }

  function crash(member: number): void {
    if (!cluster.process(member).up) return;
    cluster.crash(member);
    later(() => cluster.start(member));
  }

  function cut(from: number, to: number): void {
    if (from === to || cluster.isCut(from, to)) return;
    cluster.cut(from, to);
    later(() => cluster.heal(from, to));
  }

  function isolate(member: number): void {
    for (let other = 0; other < size; other++) {
      cut(member, other);
      cut(other, member);
    }
  }

  function bring(kind: FaultKind): void {
    const member = anyone();
    switch (kind) {
      case 'crash':
        return crash(member);
      case 'crashLeader':
        return crash(leaderOfSome() ?? member);
      case 'crashAtWrite':
        return cluster.process(member).crashAt('write');
      case 'crashAfterSync':
        return cluster.process(member).crashAt('synced');
      case 'powerLoss': {
        // All at once, or all but a few.
        for (let each = 0; each < size; each++) if (random.next() < 0.8) crash(each);
        return;
      }
      case 'pause': {
        const process = cluster.process(member);
        if (!process.up || process.paused) return;
        process.pause();
        later(() => process.resume());
        return;
      }
      case 'isolate':
        return isolate(member);
      case 'isolateLeader':
        return isolate(leaderOfSome() ?? member);
      case 'split': {
        const side = Array.from({ length: size }, () => random.next() < 0.5);
        for (let a = 0; a < size; a++) for (let b = 0; b < size; b++) if (side[a] !== side[b]) cut(a, b);
        return;
      }
      case 'oneWay': {
        const others = Array.from({ length: size }, (_, other) => other).filter(() => random.next() < 0.6);
        const outward = random.next() < 0.5;
        for (const other of others) outward ? cut(member, other) : cut(other, member);
        return;
      }
      case 'clog': {
        const other = anyone();
        if (other !== member) cluster.clog(member, other, exponential(durationMeanMs));
        return;
      }
      case 'reset': {
        const other = anyone();
        if (other !== member) cluster.reset(member, other);
        return;
      }
      case 'slowDisk': {
        cluster.process(member).slowDisk(random.integer(5, 100));
        later(() => cluster.process(member).slowDisk(1));
        return;
      }
    }
  }

  function next(): void {
    clock.after(exponential(intervalMeanMs), () => {
      if (stopped) return;
      const kind = draw();
      if (kind !== undefined) bring(kind);
      next();
    });
  }
  next();

  return {
    stop() {
      stopped = true;
    },
  };
}
