// Who leads the shards that have no replica here: brokers tell each other which shards they lead, at once when that changes, and once
// a second, which also shows that they are there.
import { Subject, type Observable } from 'rxjs';
import type { BrokerId, ShardId, Term } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { ShardLeads } from '../../streams/envelope.ts';
import type { Shard } from '../shard.ts';
import type { Peers } from './peer-interface.ts';
import { repeat } from './repeat.ts';

export interface LeadTable {
  /** Null: nobody who can be reached says that it leads. */
  leaderOf(shard: ShardId): BrokerId | null;
  readonly changes: Observable<void>;
  heard(from: BrokerId, message: ShardLeads): void;
  /** There is a stream to this broker: it is told what this one leads. */
  opened(peer: BrokerId): void;
  /** Nothing it has said counts any more. */
  lost(peer: BrokerId): void;
  stop(): void;
}

export interface LeadTablePorts {
  readonly self: BrokerId;
  readonly shards: ReadonlyMap<ShardId, Shard>;
  readonly peers: Pick<Peers, 'send' | 'views'>;
  readonly clock: Clock;
}

export function createLeadTable({ self, shards, peers, clock }: LeadTablePorts): LeadTable {
  const claims = new Map<BrokerId, ReadonlyMap<ShardId, Term>>();
  const changes = new Subject<void>();
  let telling = false;
  let told = '';

  const own = (): ShardLeads => ({
    kind: 'leads',
    shards: [...shards.values()].flatMap(({ id, raft: { status } }) =>
      status.leader === self ? [{ shard: id, term: status.term }] : [],
    ),
  });

  function tellAll(): void {
    const message = own();
    told = JSON.stringify(message.shards);
    for (const { id } of peers.views) peers.send(id, message);
  }

  /** Many shards change hands in one turn: they are told together, and only when something is new. */
  function leadershipChanged(): void {
    if (telling) return;
    telling = true;
    clock.defer(() => {
      telling = false;
      if (JSON.stringify(own().shards) !== told) tellAll();
    });
  }

  const watching = [...shards.values()].map(({ raft }) => raft.statusChanges.subscribe(leadershipChanged));
  const beating = repeat(clock, limits.peers.beatMs, tellAll);

  return {
    leaderOf(shard) {
      let leader: BrokerId | null = null;
      let latest: Term = 0;
      for (const [broker, leads] of claims) {
        const term = leads.get(shard) ?? 0;
        if (term > latest) [leader, latest] = [broker, term];
      }
      return leader;
    },
    changes,
    heard(from, message) {
      const leads = new Map(message.shards.map(({ shard, term }) => [shard, term]));
      const before = claims.get(from);
      claims.set(from, leads);
      const isNew = before?.size !== leads.size || [...leads].some(([shard, term]) => before.get(shard) !== term);
      if (isNew) changes.next();
    },
    opened: (peer) => peers.send(peer, own()),
    lost(peer) {
      if (claims.delete(peer)) changes.next();
    },
    stop() {
      beating.cancel();
      for (const subscription of watching) subscription.unsubscribe();
      changes.complete();
    },
  };
}
