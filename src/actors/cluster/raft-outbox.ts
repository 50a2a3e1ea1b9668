// Raft messages of all groups that become ready in one turn of the loop, on their way to each peer.
//
// Invariants
//   1. What was added in one turn leaves at its end, in the order of adding: one frame per peer, unless it holds more than
//      limits.peers.frameBytes.
//   2. No more than limits.peers.outboxBytesMax wait for one peer; entries beyond it are dropped, as a network may: Raft sends again.
import type { BrokerId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { RaftEnvelope } from '../../streams/envelope.ts';

export interface RaftOutbox {
  add(to: BrokerId, envelope: RaftEnvelope): void;
  /** Messages that were too much. */
  readonly dropped: number;
}

interface Waiting {
  envelopes: RaftEnvelope[];
  bytes: number;
}

const { frameBytes, outboxBytesMax } = limits.peers;
const payloadBytes = ({ message }: RaftEnvelope): number => (message.type === 'append' ? message.bytes : 0);

export function createRaftOutbox(
  clock: Clock,
  send: (to: BrokerId, envelopes: readonly RaftEnvelope[]) => void,
): RaftOutbox {
  const waiting = new Map<BrokerId, Waiting>();
  let dropped = 0;

  function flush(): void {
    const leaving = [...waiting];
    waiting.clear();
    for (const [to, { envelopes }] of leaving) for (const frame of frames(envelopes)) send(to, frame);
  }

  return {
    add(to, envelope) {
      const bytes = payloadBytes(envelope);
      const before = waiting.get(to);
      if (before !== undefined && bytes > 0 && before.bytes + bytes > outboxBytesMax) {
        dropped++;
        return;
      }
      if (waiting.size === 0) clock.defer(flush);
      if (before === undefined) waiting.set(to, { envelopes: [envelope], bytes });
      else {
        before.envelopes.push(envelope);
        before.bytes += bytes;
      }
    },
    get dropped() {
      return dropped;
    },
  };
}

function* frames(envelopes: readonly RaftEnvelope[]): Generator<readonly RaftEnvelope[]> {
  let frame: RaftEnvelope[] = [];
  let bytes = 0;
  for (const envelope of envelopes) {
    if (frame.length > 0 && bytes + payloadBytes(envelope) > frameBytes) {
      yield frame;
      frame = [];
      bytes = 0;
    }
    frame.push(envelope);
    bytes += payloadBytes(envelope);
  }
  if (frame.length > 0) yield frame;
}
