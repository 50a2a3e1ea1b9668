// What happens to a run, as data: faults, each with its moment, its target and how long it lasts. It is drawn from the seed before
// the run begins, or read from a file; the run follows from its options and this alone. So it can be looked at, shortened and kept.
//
// Whom a fault meets may depend on the state ("the leader then"): that is settled when its moment has come.
import type { Millis } from '../../../src/core/ids.ts';

/** Members and groups by their numbers, from 0; group 0 is the control group. */
export type Target =
  | { readonly type: 'member'; readonly member: number }
  | { readonly type: 'leader'; readonly group: number }
  /** Some voter of the control group that does not lead it; somebody whom the group does not have; anybody; as many as cannot, or can, decide alone. */
  | { readonly type: 'follower' | 'outsider' | 'random' | 'minority' | 'majority' };

/** Which way is cut, seen from the first group, or from the target. */
export type Direction = 'both' | 'in' | 'out';

/** `write`: at its next write; `synced`: right after its next sync. */
export type CrashMoment = 'now' | 'write' | 'synced';

/**
 * Where a process waits for the world, or asks something of it: the disk is about to be asked, or has answered; a message, or a timer, is about to be
 * told. `directory`: names become durable.
 */
const diskAwaits = ['open', 'read', 'write', 'sync', 'rename', 'directory', 'unlink'] as const;
export const awaitKinds = [...diskAwaits, 'message', 'timer'] as const;
export type DiskAwait = (typeof diskAwaits)[number];
export type AwaitKind = (typeof awaitKinds)[number];

/** Which of its files a disk's trouble concerns. */
export const diskFiles = ['log', 'snapshots', 'all'] as const;
export type DiskFiles = (typeof diskFiles)[number];

/** What a link does to messages besides what the whole network does. */
export interface LinkChange {
  /** Of each message. */
  readonly loss: number;
  readonly duplicate: number;
  /** Of a message that overtakes those before it, or is overtaken, on an ordered link, too. */
  readonly reorder: number;
  readonly delayMs: Millis;
  readonly jitterMs: Millis;
  /** Bytes a second; 0: no limit. */
  readonly bandwidth: number;
  /** Nothing arrives while it lasts; then what was sent meanwhile does. */
  readonly hold: boolean;
}

interface Lasting {
  readonly forMs: Millis;
}

export interface CrashFault extends Lasting {
  readonly fault: 'crash';
  readonly targets: readonly Target[];
  readonly moment: CrashMoment;
}

/** It dies at the `nth` such place that it comes to, wherever that is: while it opens, recovers, writes a snapshot, cleans its log. */
export interface CrashAtFault extends Lasting {
  readonly fault: 'crash-at';
  readonly targets: readonly Target[];
  readonly of: AwaitKind | 'any';
  readonly nth: number;
  /** So many times, one after another, each counted from its start. */
  readonly times: number;
  /** It is ended first, so that the first place that counts is one of its start. */
  readonly restart: boolean;
}

/** It hands over what it leads, ends in order, and is started again. */
export interface StopFault extends Lasting {
  readonly fault: 'stop';
  readonly targets: readonly Target[];
}

export interface PauseFault extends Lasting {
  readonly fault: 'pause';
  readonly targets: readonly Target[];
}

/** Members of one group do not hear those of another; who is in none hears all. */
export interface PartitionFault extends Lasting {
  readonly fault: 'partition';
  readonly groups: readonly (readonly number[])[];
  readonly direction: Direction;
}

export interface IsolateFault extends Lasting {
  readonly fault: 'isolate';
  readonly targets: readonly Target[];
  readonly direction: Direction;
}

export interface LinkTarget {
  readonly from: number;
  readonly to: number;
  /** The way back, too. */
  readonly both: boolean;
}

export interface NetworkFault extends Lasting, LinkChange {
  readonly fault: 'network';
  readonly link: LinkTarget;
  /** The connection breaks at the beginning, and is there again a moment later. */
  readonly reset: boolean;
}

export interface DiskFault extends Lasting {
  readonly fault: 'disk';
  readonly targets: readonly Target[];
  /**
   * `slow`, `hang`, `full`: while it lasts. `fsync-error`: the next sync fails. `torn-write`: the process dies in its next write, of
   * which a part stays; how long it is down counts from there. `corrupt`: a bit of what lies there changes, if that can be survived.
   */
  readonly kind: 'slow' | 'hang' | 'full' | 'fsync-error' | 'torn-write' | 'corrupt';
  /** Slow and hanging are all of them. */
  readonly files: DiskFiles;
  /** What is corrupted of the log belongs to this group alone; null: anything. */
  readonly group: number | null;
  /** When slow, everything takes so many times as long. */
  readonly factor: number;
}

export interface ClockFault extends Lasting {
  readonly fault: 'clock';
  readonly targets: readonly Target[];
  /** Its clocks run fast, or slow, by so many parts in a million. */
  readonly driftPpm: number;
  /** Its wall clock is ahead, or behind, by so much while it lasts. */
  readonly skewMs: Millis;
  /** Its wall clock is set forward, or back, by so much, and stays so. */
  readonly jumpMs: Millis;
  /** Both its clocks go forward by so much at once, as after a virtual machine was stopped: what was due by then is due now. */
  readonly leapMs: Millis;
}

/** The process dies, and comes back with an empty disk. Left out where more would be lost than can be survived. */
export interface WipeFault extends Lasting {
  readonly fault: 'wipe';
  readonly targets: readonly Target[];
}

/** What a group's leader is asked for; `set`: all the voters that are to be. */
export interface MembershipFault extends Lasting {
  readonly fault: 'membership';
  readonly kind: 'add' | 'remove' | 'set' | 'transfer';
  readonly group: number;
  readonly targets: readonly Target[];
}

export type Fault =
  | ClockFault
  | MembershipFault
  | WipeFault
  | CrashFault
  | CrashAtFault
  | StopFault
  | PauseFault
  | PartitionFault
  | IsolateFault
  | NetworkFault
  | DiskFault;

export type Step = { readonly atMs: Millis } & Fault;

/** How one outside the core stays broken when nothing heals any more. */
export const afflictions = ['down', 'cut', 'deaf', 'mute', 'paused', 'well'] as const;
export type Affliction = (typeof afflictions)[number];

/** The second phase: a quorum is whole, all else is broken for good. */
export interface Ending {
  /** Who is taken into the core, one after another, until it is a quorum of every group. */
  readonly core: readonly number[];
  /** By member, for those whom the core does not need. */
  readonly others: readonly Affliction[];
}

export interface Schedule {
  readonly steps: readonly Step[];
  readonly ending: Ending;
}

export const plainLink: LinkChange = {
  loss: 0,
  duplicate: 0,
  reorder: 0,
  delayMs: 0,
  jitterMs: 0,
  bandwidth: 0,
  hold: false,
};

/** As people write it. */
export function targetText(target: Target): string {
  switch (target.type) {
    case 'member':
      return memberName(target.member);
    case 'leader':
      return target.group === 0 ? 'leader' : `shard:${target.group - 1}/leader`;
    default:
      return target.type;
  }
}

export const groupName = (group: number): string => (group === 0 ? 'control' : `shard-${group - 1}`);

export const memberName = (member: number): string => `broker-${member + 1}`;
