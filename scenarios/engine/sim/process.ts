// One broker's process in the simulator: the real members of its groups over a log store, in a life of their own. A crash ends the
// life: its clock is revoked, so that nothing which it started can act any more; what it had sent travels on.
//
//   everything that runs in the process ─▶ turn ─▶ messages leave ─▶ the checkers look
import { createPulses, type Pulses } from '../../../src/actors/cluster/pulses.ts';
import { handOver } from '../../../src/actors/cluster/handover.ts';
import { createRaftNode, type RaftNodeOptions } from '../../../src/actors/raft-node.ts';
import type { RaftGroup } from '../../../src/actors/raft-group.ts';
import type { LogStore, RecoveredGroup } from '../../../src/actors/stores/log.ts';
import { VedetteError } from '../../../src/core/errors.ts';
import type { BrokerId, GroupId, Millis } from '../../../src/core/ids.ts';
import type { Clock } from '../../../src/streams/clock.ts';
import { type ClockView, createClockView } from '../../../src/streams/clock-view.ts';
import type { Pulse, RaftEnvelope } from '../../../src/streams/envelope.ts';
import type { Inspector } from '../../../src/streams/inspector.ts';
import type { Random } from '../../../src/streams/random.ts';
import type { SnapshotMessage } from '../../../src/streams/snapshot-message.ts';
import type { Wire } from '../../../src/streams/wire.ts';
import type { VirtualClock } from '../../../src/streams/virtual-clock.ts';
import { type AwaitCrash, createAwaits } from './awaits.ts';
import type { GroupChecker } from './checker.ts';
import type { Planted } from './planted.ts';
import { createFold, type ProcessSnapshots, type SnapshotDisk } from './process-snapshots.ts';
import type { DiskFiles } from './schedule.ts';
import type { DiskTrouble, SimStore } from './store.ts';
import type { Trace } from './trace.ts';
import { rule, Violation } from './violation.ts';
import { WatchedLog } from './watched-log.ts';

export interface SimProcess {
  readonly number: number;
  isUp(): boolean;
  isPaused(): boolean;
  /** Undefined while it is down. */
  group(number: number): RaftGroup | undefined;
  /** Null while it is down, and in its first moments. */
  pulses(): Pulses | null;
  start(): void;
  /** @param sentMax of the messages of the turn under way, so many leave. */
  crash(): void;
  /**
   * `crash` will be called at the end of the turn of its next write, or of its next sync, with a part of that turn's messages unsent;
   * unless it dies before.
   */
  crashAt(moment: 'write' | 'synced', crash: () => void): void;
  /** The same at the next write to these files, of which a part stays. */
  tear(files: DiskFiles, crash: () => void): void;
  /** The same at some place where it waits, in this life or a later one. */
  crashAtAwait(wanted: AwaitCrash): void;
  /**
   * It hands over what it leads, and ends in order. `done` when it has, or when it was killed since that took too long; never when it died meanwhile.
   * @param done is told how many groups it still led at its end, and how many it had led at the beginning of it and handed over.
   */
  stop(patienceMs: Millis, done: (ledOn: number, handedOver: number) => void): void;
  /** It will not crash by itself. */
  disarm(): void;
  pause(): void;
  resume(): void;
  /** Its disk is lost, while it is down: it begins again with nothing, and knows that. */
  wipe(): void;
  /** From outside: now, when it is resumed, or never. @param group the only one that this can touch. */
  enter(run: () => void, group?: number): void;
  /** Another process opened a stream for a snapshot. */
  acceptSnapshot(wire: Wire<SnapshotMessage>): void;
  troubleDisk(trouble: DiskTrouble, files: DiskFiles): void;
  mendDisk(trouble: DiskTrouble, files: DiskFiles): void;
  /** Changes a bit on its disk, of the log of one group alone where one is given. @returns false when there is nothing to change. */
  spoilDisk(files: DiskFiles, group: number | null): boolean;
  /** From now on its clock runs fast or slow by this. */
  drift(ppm: number): void;
  /** Its wall clock is set forward or back. */
  jump(ms: Millis): void;
  /** Both its clocks go forward at once. @returns false: it is not up. */
  leap(ms: Millis): boolean;
  /** Timers that fired, and all else that ran in it. */
  turns(): number;
  /** The disk is well from now on. */
  calmDisk(syncMaxMs: Millis): void;
}

export interface ProcessPorts {
  readonly number: number;
  readonly names: readonly BrokerId[];
  /** With whom the groups began; others wait to be added. */
  readonly founders: readonly BrokerId[];
  readonly groups: readonly GroupId[];
  readonly clock: VirtualClock;
  readonly random: Random;
  readonly driftPpm: number;
  /** Its clock may leap. */
  readonly leaps: boolean;
  readonly inspector: Inspector;
  readonly store: SimStore;
  /** Null: nothing is compacted. */
  readonly snapshots: SnapshotDisk | null;
  readonly dialSnapshots: (from: number, to: BrokerId) => Wire<SnapshotMessage>;
  readonly checkers: readonly GroupChecker[];
  readonly raft: RaftNodeOptions;
  readonly trace: Trace;
  readonly planted: Planted;
  readonly send: (from: number, group: number, envelope: RaftEnvelope) => void;
  /** It found its disk broken, and ended. */
  readonly ended: (number: number) => void;
  readonly sendPulse: (from: number, to: BrokerId, pulse: Pulse) => void;
}

/** A log that says this of itself is not one any more. */
const BEYOND_READING: ReadonlySet<string> = new Set(['FAILED_PRECONDITION', 'DATA_LOSS']);

const leads = ({ status }: RaftGroup): boolean => status.role === 'leader';

const TROUBLES: readonly DiskTrouble['kind'][] = ['slow', 'hang', 'full', 'fsync-error'];

export function createProcess(ports: ProcessPorts): SimProcess {
  const { number, names, founders, groups, clock, random, inspector, store, checkers, trace, planted } = ports;
  const self = names[number] as BrokerId;
  let view: ClockView | null = null;
  let running: RaftGroup[] = [];
  let lives = 0;
  let armed: { readonly moment: 'write' | 'synced'; readonly crash: () => void } | null = null;
  /** At the end of the turn under way it dies. */
  let dying: (() => void) | null = null;
  /** Its disk was changed: that it ends for that reason is as it must be. */
  let excused = false;
  /** Something of its log was changed, which may lie there for long. */
  let spoiled = false;
  /** The same of its snapshots, for as long as a damaged one may lie there. */
  let excusedSnapshots = false;
  const troubles = new Set<DiskTrouble>();
  /** Its disk has been full: what came of that may be said a moment later. */
  let wasFull = false;
  const awaits = createAwaits();
  /** By how much its wall clock was set wrong. */
  let skewMs: Millis = 0;
  /** What its members write to; null while it is down. */
  let opened: LogStore | null = null;
  let stopping = false;
  /** Its last life ended in order. */
  let endedWell = false;
  store.watch(awaits.reached);
  ports.snapshots?.watch(awaits.reached);
  let turns = 0;
  let { driftPpm } = ports;
  /** The only group that the turn under way can touch; null: any. */
  let touched: number | null = null;
  /** What the turn under way has sent. */
  let leaving: { readonly group: number; readonly envelope: RaftEnvelope }[] = [];
  let pulses: Pulses | null = null;
  let snapshots: ProcessSnapshots | null = null;
  /** Groups of which a disk that was lost knew, and the present one does not know yet that they are in doubt. */
  const forgotten = new Set<GroupId>();
  let pulsing: { readonly to: BrokerId; readonly pulse: Pulse }[] = [];

  function turn(run: () => void): void {
    try {
      run();
    } catch (error) {
      // Whatever becomes of one that is dead: its end comes now.
      if (awaits.isDead()) return dying?.();
      if (error instanceof Violation) throw error;
      throw new Violation(
        'no member fails',
        `${self}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
    }
    const sent = leaving;
    leaving = [];
    // Who dies within a turn has said only the beginning of what it would have.
    const count = dying !== null ? random.integer(0, sent.length) : sent.length;
    for (let n = 0; n < count; n++) {
      const message = sent[n];
      if (message !== undefined) ports.send(number, message.group, message.envelope);
    }
    const beats = dying !== null ? [] : pulsing;
    pulsing = [];
    for (const { to, pulse } of beats) ports.sendPulse(number, to, pulse);
    const first = touched ?? 0;
    const last = touched ?? running.length - 1;
    touched = null;
    for (let group = first; group <= last; group++) {
      const member = running[group];
      if (member !== undefined) checkers[group]?.turned(number, member.status);
    }
    turns++;
    dying?.();
  }

  /** The checker learns what is written, and what is durable. */
  function watched(log: LogStore): LogStore {
    return new WatchedLog(
      log,
      (write) => {
        checkers[groups.indexOf(write.group)]?.wrote(number, write);
        if (armed?.moment === 'write') dying = armed.crash;
      },
      ({ group, sound }) => {
        const checker = checkers[groups.indexOf(group)];
        checker?.synced(number);
        if (sound === false) forgotten.delete(group);
        if (sound === true) checker?.vouchedFor(number);
        if (armed?.moment === 'synced') dying = armed.crash;
      },
    );
  }

  /** Null: it cannot start, and ends. Where its files are past reading, it gets another disk. */
  function openLog(now: ClockView): LogStore | null {
    try {
      const log = store.open(now, failed, (message) => {
        const isAfterStop = endedWell && !spoiled && !awaits.isDead();
        rule('a stop in order leaves nothing to mend', !isAfterStop, () => `${self}: ${message}`);
      });
      endedWell = false;
      return log;
    } catch (error) {
      endedWell = false;
      if (awaits.isDead()) throw error;
      if (!excused && troubles.size === 0) throw error;
      const isPast = error instanceof VedetteError && BEYOND_READING.has(error.code);
      dying = () => {
        ports.ended(number);
        if (isPast) wipe();
      };
      return null;
    }
  }

  /** What was under way in a crash may be durable, and nobody has heard of it: that it is in doubt, or that it is not any more. */
  function begin(checker: GroupChecker | undefined, group: GroupId, recovered: RecoveredGroup): void {
    checker?.started(number, recovered);
    if (!recovered.sound) forgotten.delete(group);
    else if (!forgotten.has(group)) checker?.vouchedFor(number);
  }

  function noteEnd(): void {
    endedWell = opened?.full === false && troubles.size === 0;
    if (!endedWell) return;
    for (const checker of checkers) {
      const left = checker.pendingWrites(number);
      rule(
        'a stop in order leaves nothing unwritten',
        left === 0,
        () => `${self} has ended with ${left} writes that are not durable`,
      );
    }
  }

  function openSnapshots(now: ClockView): ProcessSnapshots | null {
    return (
      ports.snapshots?.open(now, self, groups, {
        planted,
        dial: (to) => ports.dialSnapshots(number, to),
        heard: () => awaits.reached('message'),
        warn(message) {
          if (!excusedSnapshots && !wasFull && !awaits.isDead())
            throw new Violation('no member fails', `${self}: ${message}`);
        },
        failed,
      }) ?? null
    );
  }

  function wipe(): void {
    trace.note('wipe', number, -1);
    store.wipe();
    ports.snapshots?.wipe();
    excusedSnapshots = false;
    spoiled = false;
    for (const checker of checkers) checker.wiped(number);
    for (const group of groups) forgotten.add(group);
  }

  function failed(error: Error): void {
    if (awaits.isDead()) return;
    const failing = [...troubles].some(({ kind }) => kind === 'fsync-error');
    if (!excused && !excusedSnapshots && !failing) throw new Violation('no member fails', `${self}: ${error.message}`);
    dying ??= () => ports.ended(number);
  }

  /** A clock whose timers are places at which the process can be ended. */
  function withTimersCounted(now: Clock): Clock {
    return {
      now: () => now.now(),
      monotonic: () => now.monotonic(),
      after: (delay, fire) => now.after(delay, () => awaits.reached('timer') || fire()),
      defer: (run) => now.defer(run),
    };
  }

  function createMember(group: GroupId, position: number, log: LogStore, now: Clock): RaftGroup {
    const checker = checkers[position];
    if (checker === undefined) throw new RangeError(`no checker for ${group}`);
    const member: RaftGroup = createRaftNode({
      self,
      group,
      members: founders.includes(self) ? founders : [],
      sound: planted.trustsStorage ?? !forgotten.has(group),
      clock: now,
      random: random.fork(`life ${lives} of ${group}`),
      log: planted.log?.(log, now, self) ?? log,
      inspector,
      outbox(envelope) {
        const said = planted.outgoing?.(envelope) ?? envelope;
        checker.sent(number, said.message);
        leaving.push({ group: position, envelope: said });
      },
      machine: createFold(number, checker, () => member.status),
      ...(snapshots === null ? {} : { snapshots: planted.snapshots?.(snapshots) ?? snapshots }),
      ...(planted.chart === undefined ? {} : { chart: planted.chart }),
      options: ports.raft,
      link: (leader, term, heardAt) =>
        pulses?.news(leader, group, term, heardAt) ?? { heardAt, patience: 0, watched: false },
      failed,
    });
    return planted.group?.(member, now) ?? member;
  }

  /** False: its snapshots are past reading; it gets another disk. */
  function createMembers(log: LogStore, now: Clock): boolean {
    try {
      running = groups.map((group, position) => createMember(group, position, log, now));
      return true;
    } catch (error) {
      const isPast = error instanceof VedetteError && error.code === 'DATA_LOSS';
      if (awaits.isDead() || !excusedSnapshots || !isPast) throw error;
      dying = () => {
        ports.ended(number);
        wipe();
      };
      return false;
    }
  }

  function startPulses(now: Clock): void {
    const { heartbeatMs, electionMinMs, electionMaxMs } = ports.raft;
    const members = new Map(running.map((member) => [member.id, member]));
    pulses = createPulses({
      self,
      groups: members,
      clock: now,
      random: random.fork(`pulses of life ${lives}`),
      heartbeatMs,
      electionMinMs,
      electionMaxMs,
      send: (to, pulse) => pulsing.push({ to, pulse }),
    });
    for (const name of names) if (name !== self) pulses.opened(name);
  }

  function die(): void {
    trace.note(
      'crash',
      number,
      -1,
      lives,
      checkers.reduce((sum, checker) => sum + checker.pendingWrites(number), 0),
    );
    view?.revoke();
    view = null;
    running = [];
    pulses = null;
    pulsing = [];
    armed = null;
    dying = null;
    awaits.ended();
    opened = null;
    stopping = false;
    leaving = [];
    snapshots = null;
    store.crash();
    ports.snapshots?.crash();
  }

  return {
    number,
    isUp: () => view !== null,
    isPaused: () => view?.paused ?? false,
    group: (position) => running[position],
    pulses: () => pulses,
    start() {
      lives++;
      const now = createClockView(clock, { turn, driftPpm, skewMs, leaps: ports.leaps });
      view = now;
      now.enter(() => {
        const log = openLog(now);
        if (log === null) return;
        opened = log;
        groups.forEach((group, position) => begin(checkers[position], group, log.recovered(group)));
        excused = checkers.some((checker) => checker.isInDoubt(number));
        const seen = watched(log);
        snapshots = openSnapshots(now);
        const timed = withTimersCounted(planted.clock?.(now) ?? now);
        if (!createMembers(seen, timed)) return;
        timed.after(random.next() * ports.raft.heartbeatMs, () => startPulses(timed));
      });
    },
    crash: die,
    crashAt(moment, crash) {
      armed = { moment, crash };
    },
    tear(files, crash) {
      const die = () => (dying = crash);
      if (files !== 'snapshots') store.tear(die);
      if (files !== 'log') ports.snapshots?.tear(die);
    },
    crashAtAwait({ die, ...wanted }) {
      awaits.arm({ ...wanted, die: (at) => (dying = () => die(at)) });
    },
    stop(patienceMs, done) {
      view?.enter(() => {
        const log = opened;
        const life = lives;
        if (log === null || stopping) return;
        stopping = true;
        trace.note('stop', number, -1);
        const led = running.filter(leads);
        let over = false;
        const end = (inOrder: boolean) => {
          if (over || life !== lives || view === null) return;
          over = true;
          const ledOn = led.filter(leads).length;
          dying = () => {
            if (inOrder) noteEnd();
            done(ledOn, led.length - ledOn);
          };
        };
        // By whoever has told it to stop.
        clock.after(patienceMs, () => view?.enter(() => end(false)));
        handOver({ groups: running, wanted: () => [], isLinked: () => true, clock: view as Clock }, () => {
          pulses?.stop();
          pulses = null;
          snapshots?.stop();
          for (const member of running) member.stop();
          log.close(() => end(true));
        });
      });
    },
    disarm() {
      armed = null;
      awaits.disarm();
    },
    wipe,
    pause() {
      trace.note('pause', number, -1);
      view?.pause();
    },
    resume() {
      if (view?.paused !== true) return;
      trace.note('resume', number, -1);
      view.resume();
    },
    enter(run, group) {
      view?.enter(() => {
        touched = group ?? null;
        if (!awaits.reached('message')) run();
      });
    },
    troubleDisk(trouble, files) {
      trace.note('disk', number, -1, TROUBLES.indexOf(trouble.kind));
      troubles.add(trouble);
      wasFull ||= trouble.kind === 'full';
      if (files !== 'snapshots') store.impose(trouble);
      if (files !== 'log' || 'factor' in trouble) ports.snapshots?.impose(trouble);
    },
    mendDisk(trouble, files) {
      trace.note('mended', number, -1, TROUBLES.indexOf(trouble.kind));
      troubles.delete(trouble);
      if (files !== 'snapshots') store.lift(trouble);
      if (files !== 'log' || 'factor' in trouble) ports.snapshots?.lift(trouble);
    },
    spoilDisk(files, group) {
      const ofLog = files !== 'snapshots' && store.spoil(group === null ? null : (groups[group] ?? null));
      const ofSnapshots = files !== 'log' && ports.snapshots?.spoil() === true;
      if (!ofLog && !ofSnapshots) return false;
      trace.note('spoiled', number, -1);
      excused ||= ofLog;
      spoiled ||= ofLog;
      excusedSnapshots ||= ofSnapshots;
      checkers.forEach((checker, position) => {
        if (ofLog && (group === null || group === position)) checker.spoiled(number);
        if (ofSnapshots) checker.spoiledSnapshots(number);
      });
      return true;
    },
    drift(ppm) {
      trace.note('drift', number, -1, ppm);
      driftPpm = ppm;
      view?.drift(ppm);
    },
    jump(ms) {
      trace.note('jump', number, -1, ms);
      skewMs += ms;
      view?.jump(ms);
    },
    leap(ms) {
      if (view === null) return false;
      trace.note('leap', number, -1, ms);
      skewMs += ms;
      view.leap(ms);
      return true;
    },
    turns: () => turns,
    calmDisk(syncMaxMs) {
      troubles.clear();
      store.calm(syncMaxMs);
      ports.snapshots?.calm(syncMaxMs);
    },
    acceptSnapshot(wire) {
      view?.enter(() => snapshots?.accept(wire));
    },
  };
}
