// Reads on their way: those of one turn of the loop share one round of heartbeats; each is answered once its index is applied.
import { unavailable, VedetteError } from '../../core/errors.ts';
import type { LogIndex, Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { ReadId } from '../../machines/raft/effects.ts';
import type { Clock, Timer } from '../../streams/clock.ts';

type Done = (error: Error | null) => void;

export interface PendingReads {
  /** `done` is called exactly once, never synchronously. */
  ask(done: Done): void;
  /** They may be answered once `index` is applied. */
  provenAt(reads: readonly ReadId[], index: LogIndex): void;
  refused(reads: readonly ReadId[], error: VedetteError): void;
  applied(index: LogIndex): void;
  /** All that are open fail. */
  stop(): void;
}

/**
 * @param first its id: those of another run of the process must not be mistaken for this one's, whose answers may still be on their way.
 * @param patience until a read that was asked of the leader is given up; null: it is answered or refused here.
 */
export function createPendingReads(
  clock: Clock,
  first: ReadId,
  begin: (read: ReadId) => void,
  patience: () => Millis | null,
): PendingReads {
  let gathering: Done[] = [];
  const asked = new Map<ReadId, { readonly dones: readonly Done[]; readonly timer: Timer | null }>();
  let proven: { readonly index: LogIndex; readonly dones: readonly Done[] }[] = [];
  let applied: LogIndex = 0;
  let open = 0;
  let nextRead = first;
  let stopped = false;

  function end(dones: readonly Done[], error: VedetteError | null): void {
    open -= dones.length;
    for (const done of dones) done(error);
  }

  function flush(): void {
    if (stopped) return;
    const read = nextRead++;
    const patienceMs = patience();
    const timer =
      patienceMs === null
        ? null
        : clock.after(patienceMs, () => end(take(read), unavailable('the leader did not answer')));
    asked.set(read, { dones: gathering, timer });
    gathering = [];
    begin(read);
  }

  function answerApplied(): void {
    const ready = proven.filter(({ index }) => index <= applied);
    if (ready.length === 0) return;
    proven = proven.filter(({ index }) => index > applied);
    for (const { dones } of ready) end(dones, null);
  }

  function take(read: ReadId): readonly Done[] {
    const found = asked.get(read);
    asked.delete(read);
    found?.timer?.cancel();
    return found?.dones ?? [];
  }

  return {
    ask(done) {
      if (stopped || open >= limits.raft.readsMax) {
        const why = stopped
          ? unavailable('this broker is stopping')
          : new VedetteError('RESOURCE_EXHAUSTED', `${open} reads wait already`);
        clock.defer(() => done(why));
        return;
      }
      open++;
      gathering.push(done);
      if (gathering.length === 1) clock.defer(flush);
    },
    provenAt(reads, index) {
      for (const read of reads) proven.push({ index, dones: take(read) });
      answerApplied();
    },
    refused(reads, error) {
      for (const read of reads) end(take(read), error);
    },
    applied(index) {
      applied = index;
      answerApplied();
    },
    stop() {
      stopped = true;
      const waiting = [...asked.keys()].flatMap(take);
      const dones = [...proven.flatMap((read) => read.dones), ...waiting, ...gathering];
      proven = [];
      gathering = [];
      end(dones, unavailable('this broker is stopping'));
    },
  };
}
