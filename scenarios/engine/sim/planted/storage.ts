// Bugs of what is on the disk, and of what is believed of it.
import type { DiskFile } from '../../../../src/actors/stores/disk.ts';
import type { LogEntry, LogStore, LogWrite, RecoveredGroup } from '../../../../src/actors/stores/log.ts';
import type { BrokerId } from '../../../../src/core/ids.ts';
import { foundedBy, inForce } from '../../../../src/machines/raft/membership.ts';
import { logWith, snapshotsWith } from './around.ts';
import type { Planted } from './planted.ts';

export const beforeSync: Planted = {
  log: (log, clock) =>
    logWith(log, {
      write(write, synced) {
        log.write(write, () => {});
        clock.defer(synced);
      },
    }),
};

export const withoutVote: Planted = {
  log: (log) =>
    logWith(log, {
      write: (write, synced) =>
        log.write(write.hard === undefined ? write : { ...write, hard: { ...write.hard, votedFor: null } }, synced),
    }),
};

/** The entry as a write leaves it that was not finished. */
function torn(entry: LogEntry): LogEntry {
  const payload = entry.payload.slice();
  payload.fill(0, payload.length >> 1);
  return { ...entry, payload };
}

function withLast(recovered: RecoveredGroup, { index, term }: LogEntry): RecoveredGroup {
  const { runs } = recovered;
  const goesOn = runs.at(-1)?.term === term;
  return { ...recovered, lastIndex: index, runs: goesOn ? runs : [...runs, { first: index, term }] };
}

/** At a restart the first entry that was not finished is taken for a whole one. */
export function tornTaken(): Planted {
  /** By member and group: what is being written. */
  const unfinished = new Map<string, LogWrite[]>();
  return {
    log(log, _clock, self) {
      const write: LogStore['write'] = (wanted, synced) => {
        const key = `${self}/${wanted.group}`;
        const writes = unfinished.get(key) ?? [];
        unfinished.set(key, [...writes, wanted]);
        log.write(wanted, () => {
          unfinished.set(
            key,
            (unfinished.get(key) ?? []).filter((each) => each !== wanted),
          );
          synced();
        });
      };
      return logWith(log, {
        write,
        recovered(group) {
          const recovered = log.recovered(group);
          const key = `${self}/${group}`;
          const entries = (unfinished.get(key) ?? []).flatMap((each) => each.entries ?? []);
          unfinished.delete(key);
          const next = entries.find(
            ({ index, term, kind }) =>
              index === recovered.lastIndex + 1 && term <= recovered.hard.term && kind === 'data',
          );
          if (next === undefined) return recovered;
          log.write({ group, entries: [torn(next)] }, () => {});
          return withLast(recovered, next);
        },
      });
    },
  };
}

/** A snapshot says that the group is as it was founded. */
export const withoutMembership = (founders: readonly BrokerId[]): Planted => ({
  snapshots: (ports) =>
    snapshotsWith(ports, (begin, done) =>
      ports.store.save(() => {
        const begun = begin();
        const configuration = { ...inForce(foundedBy(founders)), index: begun?.meta.configuration.index ?? 0 };
        return begun === null ? null : { ...begun, meta: { ...begun.meta, configuration } };
      }, done),
    ),
});

/** A member whose disk was lost begins as one that has never said anything. */
export const trusted: Planted = { trustsStorage: true };

/** A snapshot gets its name before its bytes are durable. */
export const renamedUnsynced: Planted = {
  snapshotDisk: (disk, clock) => ({
    ...disk,
    open(path, mode) {
      const file: DiskFile = disk.open(path, mode);
      return { ...file, sync: (done) => clock.defer(() => done(null)) };
    },
  }),
};
