// A leader that is lost under load: how long until the next proposal is acknowledged, and whether anything acknowledged is missing.
import { NAME_BYTES } from './door.ts';
import { now } from './figures.ts';
import { sleep, stop } from './children.ts';
import type { RaftMembers } from './raft-members.ts';

const LOAD_EVERY_MS = 2;
const PROBE_EVERY_MS = 5;
const PAYLOAD_BYTES = 256;
const SETTLE_MS = 700;
const GIVE_UP_MS = 20_000;

export interface FaultRun {
  /** Milliseconds without an acknowledged proposal, of each fault. */
  readonly gaps: readonly number[];
  readonly acknowledged: number;
  /** Acknowledged, and not held by a member in the end. */
  readonly missing: number;
}

/** @param told after each fault. */
export async function runFaults(
  members: RaftMembers,
  fault: 'SIGKILL' | 'SIGSTOP',
  count: number,
  told: (done: number) => void,
): Promise<FaultRun> {
  const acknowledged: Buffer[] = [];
  const gaps: number[] = [];
  const run = fault === 'SIGKILL' ? 1 : 2;
  let sequence = 0;

  /** @returns when it was acknowledged, null when it was not. */
  async function propose(member: number): Promise<number | null> {
    const payload = Buffer.alloc(PAYLOAD_BYTES);
    payload.writeUInt32LE(run, 0);
    payload.writeUInt32LE(++sequence, 4);
    if (!(await members.door(member).propose(payload))) return null;
    acknowledged.push(payload.subarray(0, NAME_BYTES));
    return now();
  }

  /** The load of one round: to the leader, on and on, until it stops answering. */
  function load(leader: number): () => void {
    const timer = setInterval(() => void propose(leader), LOAD_EVERY_MS);
    return () => clearInterval(timer);
  }

  async function firstAcknowledged(others: readonly number[], began: number): Promise<number> {
    let at: number | null = null;
    for (let turn = 0; at === null; turn++) {
      if (now() - began > GIVE_UP_MS) throw new Error(`nothing was acknowledged for ${GIVE_UP_MS} ms`);
      void propose(others[turn % others.length] ?? 0).then((when) => {
        at ??= when;
      });
      await sleep(PROBE_EVERY_MS);
    }
    return at;
  }

  for (let round = 1; round <= count; round++) {
    const leader = await members.leader();
    const others = [0, 1, 2].filter((member) => member !== leader);
    const endLoad = load(leader);
    await sleep(SETTLE_MS);
    const victim = members.processes[leader];
    if (victim === undefined) throw new Error('the leader has a process');
    const began = now();
    victim.kill(fault);
    gaps.push((await firstAcknowledged(others, began)) - began);
    endLoad();
    if (fault === 'SIGKILL') {
      await stop(victim, 'SIGKILL');
      await members.restart(leader);
    } else victim.kill('SIGCONT');
    told(round);
  }
  await sleep(SETTLE_MS);
  const names = Buffer.concat(acknowledged);
  const lacking = await Promise.all([0, 1, 2].map((member) => members.door(member).lacks(names)));
  return {
    gaps,
    acknowledged: acknowledged.length,
    missing: lacking.reduce<number>((sum, lack) => sum + (lack ?? names.length / NAME_BYTES), 0),
  };
}
