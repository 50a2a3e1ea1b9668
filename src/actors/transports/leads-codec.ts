// Which shards a broker leads, and who belongs to them ↔ ShardLeads of proto/vedette/v1/peer.proto. Each broker is named once.
import type { BrokerId } from '../../core/ids.ts';
import type { vedette } from '../../core/proto.ts';
import type { ShardLeads } from '../../streams/envelope.ts';

export function encodeLeads({ shards }: ShardLeads): vedette.v1.IShardLeads {
  const numbers = new Map<BrokerId, number>();
  const numbersOf = (ids: readonly BrokerId[]): number[] =>
    ids.map((id) => {
      const number = numbers.get(id) ?? numbers.size;
      numbers.set(id, number);
      return number;
    });
  const leads = shards.map(({ shard, term, settled, configuration: { index, configuration } }) => ({
    shard,
    term,
    configuration: index,
    settled,
    voters: numbersOf(configuration.voters),
    outgoing: numbersOf(configuration.outgoing),
    learners: numbersOf(configuration.learners),
    joining: numbersOf(configuration.joining),
  }));
  return { shards: leads, brokers: [...numbers.keys()] };
}

export function decodeLeads({ shards, brokers }: vedette.v1.IShardLeads): ShardLeads {
  const named = (numbers: readonly number[] | null | undefined): BrokerId[] =>
    (numbers ?? []).flatMap((number) => (brokers?.[number] ?? []) as BrokerId);
  return {
    kind: 'leads',
    shards: (shards ?? []).map(({ shard, term, configuration, settled, voters, outgoing, learners, joining }) => ({
      shard: shard ?? 0,
      term: term ?? 0,
      configuration: {
        index: configuration ?? 0,
        configuration: {
          voters: named(voters),
          outgoing: named(outgoing),
          learners: named(learners),
          joining: named(joining),
        },
      },
      settled: settled === true,
    })),
  };
}
