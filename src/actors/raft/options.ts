// The settings of Raft that a user may change, and the rules between them. An unsafe combination is refused at start.
import { invalidArgument } from '../../core/errors.ts';
import type { Millis } from '../../core/ids.ts';

export interface RaftNodeOptions {
  readonly heartbeatMs: Millis;
  readonly electionMinMs: Millis;
  readonly electionMaxMs: Millis;
  readonly closedConnectionHint: boolean;
  /** Default: false. Excludes the hint, which breaks what leases rest on. */
  readonly leaseReads?: boolean;
  /** Default: limits.raft.diskPatienceMs. */
  readonly diskPatienceMs?: Millis;
}

/** A late heartbeat, and a lost one, must not depose a leader. */
const HEARTBEATS_PER_TIMEOUT_MIN = 3;
/** Timeouts that lie close together split votes for ever. */
const TIMEOUT_SPREAD_MIN = 1.2;

/** @throws VedetteError INVALID_ARGUMENT naming the rule that the settings break. */
export function checkRaftOptions(options: RaftNodeOptions): void {
  const { heartbeatMs, electionMinMs, electionMaxMs } = options;
  if (!(heartbeatMs > 0))
    throw invalidArgument('heartbeat', `the heartbeat interval must be above 0, not ${heartbeatMs} ms`);
  if (!(electionMinMs >= HEARTBEATS_PER_TIMEOUT_MIN * heartbeatMs)) {
    throw invalidArgument(
      'election-min',
      `the shortest election timeout (${electionMinMs} ms) must be at least ${HEARTBEATS_PER_TIMEOUT_MIN} heartbeats of ${heartbeatMs} ms: one that is late and one that is lost must not depose a leader`,
    );
  }
  if (!(electionMaxMs >= TIMEOUT_SPREAD_MIN * electionMinMs)) {
    throw invalidArgument(
      'election-max',
      `the longest election timeout (${electionMaxMs} ms) must be at least ${TIMEOUT_SPREAD_MIN} times the shortest (${electionMinMs} ms): timeouts that are nearly equal split votes for ever`,
    );
  }
  if (options.leaseReads === true && options.closedConnectionHint)
    throw invalidArgument(
      'lease-reads',
      'lease reads and the hint of closed connections exclude each other: a lease promises that nobody is elected while a follower has heard its leader lately, and the hint has it forget that',
    );
}
