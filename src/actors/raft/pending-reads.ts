// Reads on their way: those of one turn of the loop share one round of heartbeats; each is answered once its index is applied.
import { unavailable, VedetteError } from '../../core/errors.ts';
import type { LogIndex } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { ReadId } from '../../machines/raft/effects.ts';
import type { Clock } from '../../streams/clock.ts';

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

export function createPendingReads(clock: Clock, begin: (read: ReadId) => void): PendingReads {
  let gathering: Done[] = [];
  const asked = new Map<ReadId, readonly Done[]>();
  let proven: { readonly index: LogIndex; readonly dones: readonly Done[] }[] = [];
  let applied: LogIndex = 0;
  let open = 0;
  let nextRead: ReadId = 1;
  let stopped = false;

  function end(dones: readonly Done[], error: VedetteError | null): void {
    open -= dones.length;
    for (const done of dones) done(error);
  }

  function flush(): void {
    if (stopped) return;
    const read = nextRead++;
    asked.set(read, gathering);
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
    const dones = asked.get(read) ?? [];
    asked.delete(read);
    return dones;
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
      const dones = [...proven.flatMap((read) => read.dones), ...[...asked.values()].flat(), ...gathering];
      proven = [];
      asked.clear();
      gathering = [];
      end(dones, unavailable('this broker is stopping'));
    },
  };
}
