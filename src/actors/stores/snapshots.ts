// Snapshots on disk, of all groups of a broker.
//
//   DATA/snapshots/GROUP-INDEX.snap         whole: written beside, synced, renamed, the directory synced
//                  GROUP-INDEX.snap.N.new   being written by this process; removed at the next start
//                  GROUP-INDEX.snap.broken  was found damaged, and is never read again
//
// Invariants
//   1. What `newest` gives was durable as a whole before it was given, name and all. It is true for ever: it holds only what was
//      committed.
//   2. The last two of a group are kept. A new one never costs an old one before it is whole.
//   3. Writing never holds the loop: chunks are asked for one at a time, each after the one before is written, and the disk is
//      given time to take them. One snapshot of the own state is written at a time, whatever the groups.
//   4. A full disk costs the snapshot that did not fit, nothing else. Another failed write, or a failed sync, ends the process.
import { describeError, VedetteError } from '../../core/errors.ts';
import type { ClusterId, GroupId, LogIndex, Term } from '../../core/ids.ts';
import type { Crc32c } from '../../core/log-format.ts';
import type { PlacedConfiguration } from '../../machines/raft/membership.ts';
import type { Clock } from '../../streams/clock.ts';
import { type Disk, isNoSpace } from './disk.ts';
import { loadSnapshot } from './snapshots/load.ts';
import { createSnapshotReader, type SnapshotReader } from './snapshots/reader.ts';
import { createSnapshotWriter, type SnapshotWriter } from './snapshots/writer.ts';

export interface SnapshotMeta {
  readonly group: GroupId;
  /** The last entry that the state holds. */
  readonly index: LogIndex;
  readonly term: Term;
  readonly cluster: ClusterId | '';
  /** In force at `index`: a member that begins from the snapshot has no other way to know. */
  readonly configuration: PlacedConfiguration;
}

export interface StoredSnapshot {
  readonly meta: SnapshotMeta;
  readonly path: string;
  /** Of the file. */
  readonly bytes: number;
  /** Where each chunk's frame begins. */
  readonly offsets: readonly number[];
}

export interface SnapshotStore {
  /** The best there is; null: none. */
  newest(group: GroupId): StoredSnapshot | null;
  /** All that are kept, newest first. */
  kept(group: GroupId): readonly StoredSnapshot[];
  /**
   * Writes one, when those that were asked for before are written: only then `chunks` is called, and then each chunk is asked for
   * when the one before is written. `done` is called once, with null instead of the snapshot when there was no room for it, or
   * nothing to write after all.
   */
  save(begin: () => NewSnapshot | null, done: Saved): void;
  /** Writes one that arrives in pieces. */
  receive(meta: SnapshotMeta): SnapshotWriter;
  read(snapshot: StoredSnapshot): SnapshotReader;
  /** It is damaged: it is renamed, said, and never given again. */
  setAside(snapshot: StoredSnapshot, reason: string): void;
  /** Those of which any is kept. */
  groups(): readonly GroupId[];
  /** Its member is gone from here: all of this group are removed, and what is being saved of it is given up. */
  forget(group: GroupId): void;
  /** What is being written is given up. */
  close(): void;
}

export interface NewSnapshot {
  readonly meta: SnapshotMeta;
  readonly chunks: Iterable<Uint8Array>;
}

export type Saved = (stored: StoredSnapshot | null) => void;

export interface SnapshotStorePorts {
  readonly disk: Disk;
  /** Made when it is not there. */
  readonly directory: string;
  readonly clock: Clock;
  readonly crc32c: Crc32c;
  /** Of this broker; '' when it is not known yet. */
  readonly cluster: ClusterId | '';
  /** Its earlier ids: what was saved under them is its own. */
  readonly formerly?: readonly ClusterId[];
  readonly warn: (message: string) => void;
  /** A write or a sync failed: the process must end. */
  readonly failed: (error: VedetteError) => void;
}

const KEPT = 2;
const BROKEN_KEPT = 4;
const NAME = /^(?:control|shard-\d+)-\d{16}\.snap$/;

/** @throws VedetteError FAILED_PRECONDITION for snapshots of a newer version, or of another cluster. */
export function openSnapshots(ports: SnapshotStorePorts): SnapshotStore {
  const { disk, directory, clock, crc32c, warn } = ports;
  const groups = new Map<GroupId, StoredSnapshot[]>();
  const writers = new Set<SnapshotWriter>();
  const waiting: (() => void)[] = [];
  let saving = false;
  let underWay: { readonly writer: SnapshotWriter; readonly giveUp: () => void } | null = null;
  let written = 0;
  let closed = false;

  disk.makeDirectory(directory);
  for (const name of disk.list(directory)) {
    if (name.endsWith('.new')) removeUnneeded(`${directory}/${name}`);
    else if (NAME.test(name)) take(`${directory}/${name}`);
  }

  function take(path: string): void {
    const loaded = loadSnapshot(disk, path, crc32c);
    if (loaded.found === 'damaged') return markBroken(path, loaded.reason);
    const { snapshot } = loaded;
    const own = ofThisCluster(snapshot);
    const { cluster } = own.meta;
    if (cluster !== '' && ports.cluster !== '' && cluster !== ports.cluster)
      throw new VedetteError(
        'FAILED_PRECONDITION',
        `${path} is of cluster ${cluster}; this broker is in ${ports.cluster}`,
        {
          field: 'data',
        },
      );
    add(own);
  }

  /** Under the id that the cluster has by now: it is what others are told. */
  function ofThisCluster(snapshot: StoredSnapshot): StoredSnapshot {
    const isOlder = ports.formerly?.some((id) => id === snapshot.meta.cluster) === true;
    return isOlder ? { ...snapshot, meta: { ...snapshot.meta, cluster: ports.cluster } } : snapshot;
  }

  function add(snapshot: StoredSnapshot): void {
    const { group, index } = snapshot.meta;
    const others = (groups.get(group) ?? []).filter(({ meta }) => meta.index !== index);
    const all = [...others, snapshot].sort((a, b) => b.meta.index - a.meta.index);
    for (const old of all.splice(KEPT)) removeUnneeded(old.path);
    groups.set(group, all);
  }

  function markBroken(path: string, reason: string): void {
    warn(`${path} is damaged (${reason}): it is set aside as ${path}.broken`);
    disk.rename(path, `${path}.broken`);
    const broken = disk.list(directory).filter((name) => name.endsWith('.broken'));
    for (const name of broken.slice(0, -BROKEN_KEPT)) disk.remove(`${directory}/${name}`);
    disk.syncDirectory(directory);
  }

  /** What is left of it harms nobody, and is tried again after the next start: no reason to end the process, or not to begin. */
  function removeUnneeded(path: string): void {
    try {
      disk.remove(path);
    } catch (error) {
      warn(`${path} is not needed any more, and could not be removed: ${describeError(error)}`);
    }
  }

  function failed(error: Error, doing: string, path: string): void {
    ports.failed(new VedetteError('INTERNAL', `${doing} ${path} failed: ${describeError(error)}`, { cause: error }));
  }

  function write(meta: SnapshotMeta): SnapshotWriter {
    const path = `${directory}/${meta.group}-${String(meta.index).padStart(16, '0')}.snap`;
    const writer = createSnapshotWriter({
      disk,
      path,
      beside: `${path}.${++written}.new`,
      meta,
      crc32c,
      remove: removeUnneeded,
      finished: add,
      ended: () => writers.delete(writer),
      failed(error, doing) {
        if (isNoSpace(error) && doing === 'writing') warn(`no room for ${path}: the snapshot is given up`);
        else failed(error, doing, path);
      },
    });
    writers.add(writer);
    return writer;
  }

  function next(): void {
    const begin = waiting.shift();
    saving = begin !== undefined;
    begin?.();
  }

  function put(writer: SnapshotWriter, chunks: Iterator<Uint8Array>, done: Saved): void {
    const { value, done: isEnd } = chunks.next();
    if (isEnd === true) writer.finish(done);
    else
      writer.add(value, crc32c(value), (written) => {
        if (!written) done(null);
        else
          clock.defer(() => {
            if (underWay?.writer === writer) put(writer, chunks, done);
          });
      });
  }

  return {
    newest: (group) => groups.get(group)?.[0] ?? null,
    kept: (group) => groups.get(group) ?? [],
    save(begin, done) {
      waiting.push(() => {
        if (closed) return;
        const ended = (stored: StoredSnapshot | null) => {
          if (closed) return;
          underWay = null;
          done(stored);
          next();
        };
        const begun = begin();
        if (begun === null) clock.defer(() => ended(null));
        else {
          const writer = write(begun.meta);
          underWay = { writer, giveUp: () => ended(null) };
          put(writer, begun.chunks[Symbol.iterator](), ended);
        }
      });
      if (!saving) next();
    },
    receive: write,
    read: (snapshot) => createSnapshotReader(disk, snapshot, crc32c),
    setAside(snapshot, reason) {
      const { group, index } = snapshot.meta;
      const kept = groups.get(group) ?? [];
      if (!kept.includes(snapshot)) return;
      groups.set(
        group,
        kept.filter(({ meta }) => meta.index !== index),
      );
      markBroken(snapshot.path, reason);
    },
    groups: () => [...groups].flatMap(([group, kept]) => (kept.length > 0 ? [group] : [])),
    forget(group) {
      if (underWay?.writer.meta.group === group) {
        underWay.writer.abandon();
        clock.defer(underWay.giveUp);
        underWay = null;
      }
      const kept = groups.get(group) ?? [];
      groups.delete(group);
      for (const { path } of kept) removeUnneeded(path);
    },
    close() {
      closed = true;
      for (const writer of writers) writer.abandon();
      writers.clear();
    },
  };
}
