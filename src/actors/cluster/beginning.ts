// A cluster begins. Each founder has an empty disk; whether it always was empty, or was lost, it cannot tell by itself: the others can.
//
//   every founder was heard, three rounds of attempts went by since, and nobody who called knows of a cluster
//        ──▶ it is founded: nothing was ever acknowledged, all groups are sound
//   10 s, more than half of them heard, none knows of one, and the others are silent ──▶ the same, and it is said without whom
//   somebody knows of one ──▶ this disk was lost: the leaders vouch for it, group by group (machines/raft/doubt.ts)
//
// Invariants
//   1. A group begins with doubt wherever nothing was ever written of it: it neither votes nor counts before one of these is so. So no
//      cluster has an id before its founders have met.
//   2. Whoever knows of a cluster never believes its disk to have always been empty.
//   3. That founders know of no cluster does not mean that there is none: it may have grown, and all of them been wiped. They do not know
//      where its other members are; but those know them, and knock several times while they wait.
//   4. All founders wait from when the last of them was met, so that they end it together: who ends it later would hear of a cluster
//      that was founded with it, and take its own disk for lost.
import type { BrokerId, ClusterId, Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Peers } from './peer-interface.ts';

const { foundersRounds, foundersPatienceMs } = limits.control;
const ROUND: Millis = limits.peers.redialMaxMs;

export type Verdict = 'founded' | 'foundedWithout' | 'waits' | 'lost';

/**
 * @param heard what founders, and others, said of their cluster: '' is none; who was not heard is missing.
 * @param rounds that went by since the start, or since a founder was heard for the first time.
 */
export function verdictOn(
  founders: readonly BrokerId[],
  self: BrokerId,
  heard: ReadonlyMap<BrokerId, ClusterId | ''>,
  waitedMs: Millis,
  rounds: number,
): Verdict {
  if ([...heard.values()].some((cluster) => cluster !== '')) return 'lost';
  const met = founders.filter((id) => id === self || heard.has(id)).length;
  if (met === founders.length) return rounds >= foundersRounds ? 'founded' : 'waits';
  const patient = waitedMs < foundersPatienceMs;
  return !patient && met * 2 > founders.length ? 'foundedWithout' : 'waits';
}

export interface BeginningPorts {
  readonly self: BrokerId;
  readonly founders: readonly BrokerId[];
  /** '' until one is known here. */
  readonly cluster: () => ClusterId | '';
  readonly peers: Pick<Peers, 'views' | 'changes'>;
  readonly clock: Clock;
  /** All groups here are sound. */
  readonly trust: () => void;
  readonly warn: (message: string) => void;
}

export function watchBeginning(ports: BeginningPorts): { stop(): void } {
  const { self, founders, cluster, peers, clock, trust, warn } = ports;
  const since = clock.monotonic();
  const met = new Set<BrokerId>();
  let over = !founders.includes(self);
  // Counted, not measured: a process that stood still for seconds has not heard yet what came meanwhile.
  let rounds = 0;
  let round = clock.after(ROUND, nextRound);
  let patience = clock.after(foundersPatienceMs, look);
  const watching = peers.changes.subscribe(look);
  clock.defer(look);

  function meet(heard: ReadonlyMap<BrokerId, unknown>): void {
    const before = met.size;
    for (const id of founders) if (heard.has(id)) met.add(id);
    if (met.size === before) return;
    rounds = 0;
    round.cancel();
    round = clock.after(ROUND, nextRound);
  }

  function nextRound(): void {
    rounds++;
    if (rounds < foundersRounds) round = clock.after(ROUND, nextRound);
    look();
  }

  function look(): void {
    if (over) return;
    const heard = new Map(peers.views.flatMap(({ id, cluster: said }) => (said === null ? [] : [[id, said] as const])));
    meet(heard);
    const verdict = cluster() === '' ? verdictOn(founders, self, heard, clock.monotonic() - since, rounds) : 'lost';
    if (verdict === 'waits') return;
    if (verdict === 'foundedWithout' && isRefused()) {
      patience.cancel();
      patience = clock.after(ROUND, look);
      return;
    }
    stop();
    if (verdict === 'lost') return;
    const missing = founders.filter((id) => id !== self && !heard.has(id));
    if (verdict === 'foundedWithout')
      warn(
        `the cluster is founded without ${missing.join(', ')}, not heard in ${foundersPatienceMs / 1000} s: had there been a cluster already, and these known of it, it would be lost`,
      );
    trust();
  }

  /**
   * A founder that does not want this broker is there, and may well know of a cluster: one that was recovered under another id, or that
   * went on without this broker. It is not founded without that one; its refusal was said, and is for people to end.
   */
  function isRefused(): boolean {
    return peers.views.some(({ id, refuses }) => refuses && founders.includes(id));
  }

  function stop(): void {
    over = true;
    watching.unsubscribe();
    round.cancel();
    patience.cancel();
  }

  return { stop };
}
