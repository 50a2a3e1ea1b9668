// Shards that have no replica on this broker: the stream of a broker that has one. When it breaks, the subscription opens another,
// from its positions.
import { Subscription } from 'rxjs';
import { decodeCursor, NOT_BEGUN } from '../../core/cursor.ts';
import { describeError, VedetteError } from '../../core/errors.ts';
import type { BrokerId, ClusterId, HostId, LogIndex, Millis, ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { vedette } from '../../core/proto.ts';
import type { Source } from '../../streams/sink.ts';
import type { MonitorClient } from '../monitor-client.ts';
import type { Feed, Parcel, Positions } from './feed.ts';
import { bytesOf, pieceOfFrame, type PickedSchema } from './selection.ts';

export interface RemoteFeedPorts {
  readonly broker: BrokerId;
  readonly client: MonitorClient;
  readonly cluster: ClusterId;
  readonly shards: readonly ShardId[];
  readonly request: vedette.v1.ISubscribeRequest;
  readonly positions: Positions;
  /** Something came. */
  readonly ready: () => void;
  /** Its first answer: every shard knows where it begins. */
  readonly answered: () => void;
  /** Called once; also when it could not even be opened. */
  readonly broken: (error: VedetteError) => void;
}

interface Answer {
  readonly parcel: Parcel;
  /** By shard of this feed, in their order; null: the answer did not say. */
  readonly reached: { readonly indexes: readonly LogIndex[]; readonly coveredMs: Millis } | null;
}

const { remoteBytes } = limits.subscriptions;

export class RemoteFeed implements Feed {
  readonly shards: readonly ShardId[];
  readonly broker: BrokerId;
  readonly behind = false;
  readonly reading = false;
  readonly #ports: RemoteFeedPorts;
  readonly #source: Source<vedette.v1.SubscribeResponse>;
  readonly #subscription = new Subscription();
  readonly #schemas = new Map<number, PickedSchema>();
  #answers: Answer[] = [];
  #head = 0;
  #bytes = 0;
  #answered = false;
  #paused = false;
  #closed = false;

  constructor(ports: RemoteFeedPorts) {
    this.#ports = ports;
    this.shards = ports.shards;
    this.broker = ports.broker;
    this.#source = ports.client.subscribe({ ...ports.request, shards: [...ports.shards] }, { forwarded: true });
    this.#subscription.add(
      this.#source.inbox.subscribe({
        next: (response) => this.#receive(response),
        error: (error: unknown) => this.#break(error),
        complete: () => this.#break(new VedetteError('UNAVAILABLE', `${ports.broker} ended its stream`)),
      }),
    );
  }

  get closed(): boolean {
    return this.#closed;
  }

  get answered(): boolean {
    return this.#answered;
  }

  get caughtUp(): boolean {
    return this.#answered && this.peek() === null;
  }

  get waitingBytes(): number {
    return this.#bytes;
  }

  peek(): Parcel | null {
    return this.#answers[this.#head]?.parcel ?? null;
  }

  take(): void {
    const answer = this.#answers[this.#head];
    if (answer === undefined) return;
    this.#head++;
    this.#bytes -= answer.parcel.bytes;
    if (answer.reached !== null) this.#moveTo(answer.reached);
    if (this.#head === this.#answers.length) {
      this.#answers = [];
      this.#head = 0;
    }
    if (!this.#paused || this.#bytes > remoteBytes / 2) return;
    this.#paused = false;
    this.#source.resume();
  }

  readOn(): void {}

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#subscription.unsubscribe();
    this.#source.close();
  }

  #moveTo({ indexes, coveredMs }: NonNullable<Answer['reached']>): void {
    const { positions } = this.#ports;
    this.shards.forEach((shard, at) => {
      positions.indexes[shard] = indexes[at] ?? NOT_BEGUN;
      positions.stamps[shard] = Math.max(positions.stamps[shard] ?? 0, coveredMs);
    });
  }

  #receive(response: vedette.v1.SubscribeResponse): void {
    if (this.#closed) return;
    try {
      this.#keep(response);
    } catch (error) {
      this.#break(error);
      return;
    }
    this.#ports.ready();
  }

  /** @throws VedetteError when the answer cannot be understood. */
  #keep(response: vedette.v1.SubscribeResponse): void {
    for (const { schemaId, hostId, series } of response.schemas) {
      this.#schemas.set(schemaId ?? 0, { host: (hostId ?? '') as HostId, series: series ?? [] });
    }
    const pieces = response.frames.map((frame) => {
      const schema = this.#schemas.get(frame.schemaId ?? 0);
      if (schema !== undefined) return pieceOfFrame(frame, schema);
      throw new VedetteError('INTERNAL', `${this.broker} sent a frame under schema ${frame.schemaId}, not announced`);
    });
    const { events, conflatedRows, cursor } = response;
    const bytes = pieces.reduce((sum, piece) => sum + bytesOf(piece), 64 * (1 + events.length));
    this.#answers.push({
      parcel: { pieces, events, bytes, gap: response.gap ?? null, conflatedRows },
      reached: cursor === '' ? null : this.#reached(cursor),
    });
    this.#bytes += bytes;
    if (cursor !== '' && !this.#answered) {
      this.#answered = true;
      this.#ports.answered();
    }
    if (this.#paused || this.#bytes <= remoteBytes) return;
    this.#paused = true;
    this.#source.pause();
  }

  #reached(cursor: string): NonNullable<Answer['reached']> {
    const { cluster, positions } = this.#ports;
    const { shards, coveredMs } = decodeCursor(cursor, cluster, positions.indexes.length);
    return { indexes: this.shards.map((shard) => shards[shard] ?? NOT_BEGUN), coveredMs };
  }

  #break(error: unknown): void {
    if (this.#closed) return;
    this.close();
    this.#ports.broken(
      error instanceof VedetteError ? error : new VedetteError('INTERNAL', describeError(error), { cause: error }),
    );
  }
}
