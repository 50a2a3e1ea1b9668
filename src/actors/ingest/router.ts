// Brings rows to the leader of their shard, wherever it is, until they are applied or time is up. To try again is harmless: the
// leader takes out what it knows. So an answer is not waited for from a broker that has lost the lead to another since it was asked.
import { type Subscription, take } from 'rxjs';
import { VedetteError } from '../../core/errors.ts';
import type { Millis, ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { ForwardOutcome } from '../../streams/envelope.ts';
import type { Random } from '../../streams/random.ts';
import { backoffDelay } from '../../streams/retry.ts';
import type { Directory } from '../directory.ts';
import { encodeProposal, type RowProposal } from '../shard/row-proposal.ts';

export interface Router {
  /** `done(null)`: applied on a quorum. Returns what ends the attempt, without an answer. */
  submit(shard: ShardId, proposal: RowProposal, done: (error: VedetteError | null) => void): () => void;
}

const { batchDeadlineMs, retryBaseMs, retryMaxMs, forwardTimeoutMs } = limits.ingest;

/** A replica that knows no leader for so long may be the only one that does not: others are asked. */
const ELECTION_ATTEMPTS = 4;

export function createRouter(directory: Directory, clock: Clock, random: Random): Router {
  return {
    submit(shard, proposal, done) {
      const began: Millis = clock.monotonic();
      let encoded: Uint8Array | null = null;
      let attempt = 0;
      let timer: Timer | null = null;
      let wake: Subscription | null = null;
      let ended = false;
      let hint = directory.leaderOf(shard);

      function tryNow(): void {
        timer?.cancel();
        wake?.unsubscribe();
        if (ended) return;
        const leader = directory.leaderOf(shard) ?? hint;
        const local = directory.shards.get(shard);
        if (local !== undefined && (leader === directory.self || (leader === null && attempt < ELECTION_ATTEMPTS))) {
          local.propose(proposal, settle);
          return;
        }
        const replicas = directory.replicasOf(shard);
        const to = leader ?? (local === undefined ? (replicas[attempt % replicas.length] ?? null) : null);
        encoded ??= encodeProposal(proposal);
        const asked = attempt;
        directory.forward(to, shard, encoded, forwardTimeoutMs, (result) => {
          if (asked === attempt || result.outcome === 'applied') settle(result);
        });
        wake = directory.changes.subscribe(() => {
          const next = directory.leaderOf(shard);
          if (next === null || next === to) return;
          settle({ outcome: 'unknown', message: `${next} leads now, and ${to ?? 'nobody'} has not answered` });
        });
      }

      function settle(result: ForwardOutcome): void {
        if (ended) return;
        wake?.unsubscribe();
        if (result.outcome === 'applied') return end(null);
        if (result.outcome === 'notApplied') hint = result.leader;
        if (clock.monotonic() - began >= batchDeadlineMs) {
          const code = result.outcome === 'notApplied' ? result.code : 'UNAVAILABLE';
          return end(new VedetteError(code, `shard ${shard}: ${result.message}`, { retryAfterMs: 500 }));
        }
        attempt++;
        // A leader that appears meanwhile is worth trying at once.
        timer = clock.after(
          retryBaseMs + backoffDelay(attempt, { baseMs: retryBaseMs, maxMs: retryMaxMs }, random),
          tryNow,
        );
        wake = directory.changes.pipe(take(1)).subscribe(() => {
          // One attempt at a time: the timer must not fire before this one begins.
          timer?.cancel();
          clock.defer(tryNow);
        });
      }

      function end(error: VedetteError | null): void {
        ended = true;
        timer?.cancel();
        wake?.unsubscribe();
        done(error);
      }

      tryNow();
      return () => {
        ended = true;
        timer?.cancel();
        wake?.unsubscribe();
      };
    },
  };
}
