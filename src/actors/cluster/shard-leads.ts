// Who leads each shard, and who belongs to it: brokers tell each other of the shards that they lead, at once when that changes, and once
// a second, which also shows that they are there. For a broker without a replica it is all that it knows of a shard.
//
// Invariant: of two that claim a shard the one of the later term counts, this broker among them. What somebody claimed to whom there is
// no link any more does not count.
import { Subject, type Observable } from 'rxjs';
import type { BrokerId, ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { isMemberOf } from '../../machines/raft/membership.ts';
import type { Clock } from '../../streams/clock.ts';
import type { ShardLead, ShardLeads } from '../../streams/envelope.ts';
import type { Shard } from '../shard.ts';
import type { Peers } from './peer-interface.ts';
import { repeat } from './repeat.ts';

export interface LeadTable {
  /** Null: nobody who can be reached says that it leads. */
  leaderOf(shard: ShardId): BrokerId | null;
  /** What whoever leads it says; null: nobody who can be reached does. */
  claimOf(shard: ShardId): ShardLead | null;
  /** True while this broker may belong to any of so many shards: until the leader of each has said that it does not. */
  mayHold(broker: BrokerId, shards: number): boolean;
  /** Of what others say. */
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
  /** A replica here knows something new of its group, came or went. */
  readonly shardChanges: Observable<void>;
  readonly peers: Pick<Peers, 'send' | 'views'>;
  readonly clock: Clock;
}

export function createLeadTable({ self, shards, shardChanges, peers, clock }: LeadTablePorts): LeadTable {
  const claims = new Map<BrokerId, ReadonlyMap<ShardId, ShardLead>>();
  const changes = new Subject<void>();
  let telling = false;
  let told = '';

  function ownClaim(shard: Shard | undefined): ShardLead | null {
    if (shard === undefined) return null;
    const { leader, term, commit, configuration } = shard.raft.status;
    if (leader !== self) return null;
    return { shard: shard.id, term, configuration, settled: commit >= configuration.index };
  }

  const own = (): ShardLeads => ({
    kind: 'leads',
    shards: [...shards.values()].flatMap((shard) => ownClaim(shard) ?? []),
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

  const watching = shardChanges.subscribe(leadershipChanged);
  const beating = repeat(clock, limits.peers.beatMs, tellAll);

  function latest(shard: ShardId): { readonly leader: BrokerId | null; readonly claim: ShardLead | null } {
    let claim = ownClaim(shards.get(shard));
    let leader = claim === null ? null : self;
    for (const [broker, leads] of claims) {
      const theirs = leads.get(shard);
      if (theirs !== undefined && theirs.term > (claim?.term ?? 0)) [leader, claim] = [broker, theirs];
    }
    return { leader, claim };
  }

  return {
    leaderOf: (shard) => latest(shard).leader,
    claimOf: (shard) => latest(shard).claim,
    mayHold(broker, count) {
      for (let shard = 0; shard < count; shard++) {
        const { claim } = latest(shard);
        if (claim === null || !claim.settled || isMemberOf(claim.configuration.configuration, broker)) return true;
      }
      return false;
    },
    changes,
    heard(from, message) {
      const leads = new Map(message.shards.map((claim) => [claim.shard, claim]));
      const before = claims.get(from);
      claims.set(from, leads);
      if (before?.size !== leads.size || message.shards.some((claim) => isNew(claim, before.get(claim.shard))))
        changes.next();
    },
    opened: (peer) => peers.send(peer, own()),
    lost(peer) {
      if (claims.delete(peer)) changes.next();
    },
    stop() {
      beating.cancel();
      watching.unsubscribe();
      changes.complete();
    },
  };
}

function isNew({ term, configuration, settled }: ShardLead, before: ShardLead | undefined): boolean {
  return before?.term !== term || before.configuration.index !== configuration.index || before.settled !== settled;
}
