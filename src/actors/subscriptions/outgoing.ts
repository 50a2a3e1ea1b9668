// What goes to one subscriber: responses, each with a cursor that covers exactly what was delivered up to then; and a sign of life when
// there is nothing to say, with which an idle stream's cursor moves on.
import { encodeCursor, NOT_BEGUN } from '../../core/cursor.ts';
import type { ClusterId, Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { vedette } from '../../core/proto.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { Sink } from '../../streams/sink.ts';
import type { Conflation } from './conflation.ts';
import type { Positions } from './feed.ts';
import type { Terms } from './request.ts';
import { ResponseDraft } from './response-draft.ts';
import { createRowEncoder } from './row-encoder.ts';

export interface Outgoing {
  /** What goes next. */
  readonly draft: ResponseDraft;
  /** Something was delivered: a subscriber hears at once that it was taken. */
  readonly greeted: boolean;
  /** Returns whether there is room for more. */
  deliver(): boolean;
  stop(): void;
}

export interface OutgoingPorts {
  readonly sink: Pick<Sink<vedette.v1.ISubscribeResponse>, 'send'>;
  readonly cluster: ClusterId;
  readonly terms: Pick<Terms, 'cursor' | 'shards'>;
  readonly positions: Positions;
  /** What waits there is not delivered. */
  readonly conflation: Pick<Conflation, 'size' | 'holdBack'>;
  /** When it began, and the time from which it was asked for; null: from then. */
  readonly began: Millis;
  readonly sinceMs: Millis | null;
  readonly clock: Clock;
  /** It was silent for so long: there may be news. */
  readonly idle: () => void;
  /** Nothing may be delivered now. */
  readonly held: () => boolean;
  /** The sink has no room any more. */
  readonly full: () => void;
}

export function createOutgoing(ports: OutgoingPorts): Outgoing {
  const { sink, cluster, terms, positions, conflation, began, sinceMs, clock } = ports;
  const encoder = createRowEncoder();
  let stopped = false;
  let signOfLife: Timer | null = null;

  function cursor(): string {
    const shards = conflation.size === 0 ? positions.indexes : [...positions.indexes];
    if (conflation.size > 0) conflation.holdBack(shards);
    let coveredMs: Millis = clock.now();
    for (const shard of terms.shards) {
      const begun = shards[shard] !== NOT_BEGUN;
      coveredMs = Math.min(coveredMs, begun ? (positions.stamps[shard] ?? began) : (sinceMs ?? began));
    }
    return encodeCursor(cluster, { control: terms.cursor?.control ?? 0, coveredMs, shards });
  }

  function deliver(): boolean {
    const response = outgoing.draft.finish(cursor());
    outgoing.draft = new ResponseDraft(encoder);
    outgoing.greeted = true;
    signOfLifeLater();
    if (sink.send(response)) return true;
    ports.full();
    return false;
  }

  function signOfLifeLater(): void {
    signOfLife?.cancel();
    signOfLife = clock.after(limits.subscriptions.signOfLifeMs, () => {
      signOfLife = null;
      ports.idle();
      if (signOfLife !== null || stopped) return;
      if (ports.held()) signOfLifeLater();
      else deliver();
    });
  }

  // Fields, no accessors: they are asked for with every parcel.
  const outgoing: { -readonly [Key in keyof Outgoing]: Outgoing[Key] } = {
    draft: new ResponseDraft(encoder),
    greeted: false,
    deliver,
    stop() {
      stopped = true;
      signOfLife?.cancel();
    },
  };
  return outgoing;
}
