// Between a member and its log store: someone is told what is written, and what is durable.
import type { LogEntry, LogStore, LogWrite, RecoveredGroup } from '../../../src/actors/stores/log.ts';
import type { GroupId, LogIndex, Millis } from '../../../src/core/ids.ts';

export class WatchedLog implements LogStore {
  readonly #log: LogStore;
  readonly #written: (write: LogWrite) => void;
  readonly #durable: (write: LogWrite) => void;

  /** @param written and durable are told before the store is, and before the member is. */
  constructor(log: LogStore, written: (write: LogWrite) => void, durable: (write: LogWrite) => void) {
    this.#log = log;
    this.#written = written;
    this.#durable = durable;
  }

  get pendingBytes(): number {
    return this.#log.pendingBytes;
  }

  get busySince(): Millis | null {
    return this.#log.busySince;
  }

  get full(): boolean {
    return this.#log.full;
  }

  recovered(group: GroupId): RecoveredGroup {
    return this.#log.recovered(group);
  }

  write(write: LogWrite, synced: () => void): void {
    this.#written(write);
    this.#log.write(write, () => {
      this.#durable(write);
      synced();
    });
  }

  read(
    group: GroupId,
    from: LogIndex,
    through: LogIndex,
    maxBytes: number,
    done: (error: Error | null, entries: readonly LogEntry[]) => void,
  ): void {
    this.#log.read(group, from, through, maxBytes, done);
  }

  close(done: () => void): void {
    this.#log.close(done);
  }
}
