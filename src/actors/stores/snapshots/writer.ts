// Writes one snapshot, chunk by chunk, beside where it is to be.
//
//   add ─▶ written ─▶ add ─▶ … (synced now and then, so that the last sync is a short one) ─▶ finish ─▶ end ─▶ sync ─▶ renamed
import { assert } from '../../../core/assert.ts';
import type { Crc32c } from '../../../core/log-format.ts';
import { encodeEnd, encodeFrame, encodePreamble, END_BYTES } from '../../../core/snapshot-format.ts';
import type { Disk } from '../disk.ts';
import type { Saved, SnapshotMeta, StoredSnapshot } from '../snapshots.ts';
import { encodeHeader } from './header.ts';

export interface SnapshotWriter {
  readonly meta: SnapshotMeta;
  /** Chunks that it has taken. */
  chunks(): number;
  /** One at a time. `done(false)`: it was not taken, and nothing more will be. */
  add(chunk: Uint8Array, crc: number, done: (written: boolean) => void): void;
  /** Null: it is not durable, and not there. */
  finish(done: Saved): void;
  /** What was written is removed. Nobody is called back any more. */
  abandon(): void;
}

export interface SnapshotWriterPorts {
  readonly disk: Disk;
  readonly path: string;
  /** Where it is written until it is whole; a name that nobody else has. */
  readonly beside: string;
  readonly meta: SnapshotMeta;
  readonly crc32c: Crc32c;
  /** Does not throw. */
  readonly remove: (path: string) => void;
  /** It is durable. */
  readonly finished: (stored: StoredSnapshot) => void;
  /** One way or the other. */
  readonly ended: () => void;
  readonly failed: (error: Error, doing: 'writing' | 'syncing' | 'renaming') => void;
}

/** Bytes between two syncs. */
const SYNC_BYTES = 4 * 1024 * 1024;

export function createSnapshotWriter(ports: SnapshotWriterPorts): SnapshotWriter {
  const { disk, path, beside, meta, crc32c } = ports;
  const file = disk.open(beside, 'create');
  const preamble = encodePreamble(encodeHeader(meta), crc32c);
  const offsets: number[] = [];
  let end = preamble.length;
  let synced = 0;
  let began = false;
  let framesCrc = 0;
  let busy = false;
  let over = false;
  /** It was given up while the disk was still at it. */
  let given = false;

  function remove(): void {
    file.close();
    if (disk.exists(beside)) ports.remove(beside);
  }

  /** Carries on when the disk has answered, unless it was given up or failed. */
  const answered =
    (doing: 'writing' | 'syncing', refused: () => void, next: () => void) =>
    (error: Error | null): void => {
      busy = false;
      if (given) return remove();
      if (error === null) return next();
      over = true;
      remove();
      ports.ended();
      ports.failed(error, doing);
      refused();
    };

  function write(pieces: readonly Uint8Array[], refused: () => void, next: () => void): void {
    busy = true;
    const isFirst = !began;
    began = true;
    file.write(isFirst ? [preamble, ...pieces] : pieces, isFirst ? 0 : end, answered('writing', refused, next));
  }

  function sync(refused: () => void, next: () => void): void {
    busy = true;
    file.sync(answered('syncing', refused, next));
  }

  return {
    meta,
    chunks: () => offsets.length,
    add(chunk, crc, done) {
      // Whoever gave it up is not who fills it, and that one may not know yet: nothing is answered any more.
      if (given) return;
      assert(!busy && !over, 'one chunk at a time, and none behind the end');
      const frame = encodeFrame({ bytes: chunk.length, crc });
      offsets.push(end);
      framesCrc = crc32c(frame, framesCrc);
      const refused = () => done(false);
      write([frame, chunk], refused, () => {
        end += frame.length + chunk.length;
        if (end - synced < SYNC_BYTES) return done(true);
        sync(refused, () => {
          synced = end;
          done(true);
        });
      });
    },
    finish(done) {
      if (given) return;
      assert(!busy && !over, 'it is finished once');
      const refused = () => done(null);
      write([encodeEnd(offsets.length, framesCrc, crc32c)], refused, () =>
        sync(refused, () => {
          busy = true;
          disk.publish(beside, path, (error) => {
            busy = false;
            file.close();
            over = true;
            ports.ended();
            if (given) return;
            if (error !== null) {
              ports.failed(error, 'renaming');
              return done(null);
            }
            const stored = { meta, path, bytes: end + END_BYTES, offsets };
            ports.finished(stored);
            done(stored);
          });
        }),
      );
    },
    abandon() {
      if (over) return;
      over = true;
      given = true;
      if (!busy) remove();
      ports.ended();
    },
  };
}
