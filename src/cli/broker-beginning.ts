// How a broker begins, by its flags and by what is in its directory: it founds a cluster, joins one, or goes on where it was.
import { createAdminClient } from '../actors/transports/admin-client.ts';
import { admissionFromProto } from '../actors/transports/admin-codec.ts';
import { adminDefinition } from '../actors/transports/grpc-definitions.ts';
import type { MemberAddress, NewBroker } from '../actors/admin-service.ts';
import type { Beginning } from '../actors/stores/identity.ts';
import { invalidArgument } from '../core/errors.ts';
import type { ClusterId } from '../core/ids.ts';
import { parseAddresses, parseCount, parsePeers, parsePowerOfTwo } from '../core/units.ts';
import { createRandom } from '../streams/random.ts';
import { createRealClock } from '../streams/real-clock.ts';
import type { Values } from './flags.ts';
import { randomName } from './process.ts';

/**
 * What is wrong with the flags is said at once; a running cluster is asked when the answer is called for.
 * @param isKnown the directory is a broker's already: then nobody is asked.
 */
export function howItBegins(values: Values, self: NewBroker, isKnown: boolean): () => Promise<Beginning> {
  const [peers, join] = [values.optional('peers'), values.optional('join')];
  if (peers !== undefined && join !== undefined)
    throw invalidArgument('join', '--peers founds a cluster, --join takes part in one that is there: one of the two');
  if (peers !== undefined) {
    const beginning = founding(values, self, peers);
    return () => Promise.resolve(beginning);
  }
  if (isKnown) return () => Promise.resolve({ how: 'again' });
  if (join === undefined)
    throw invalidArgument(
      'peers',
      `a new broker is started with --peers id=ADDR,… (it founds a cluster) or with --join ADDR,… (into one that is there)`,
    );
  const addresses = parseAddresses(join, 'join');
  return () => askToJoin(addresses, self);
}

function founding(values: Values, { id, grpc }: NewBroker, peers: string): Beginning {
  const members = parsePeers(peers, 'peers');
  if (members[id] === undefined)
    throw invalidArgument('peers', `--peers does not name ${id} itself; it names ${Object.keys(members).join(', ')}`);
  if (members[id] !== grpc)
    throw invalidArgument('grpc', `--grpc is ${grpc}, but --peers gives ${id} the address ${members[id]}`);
  return {
    how: 'founder',
    founding: {
      members,
      shards: parsePowerOfTwo(values.text('shards'), 'shards', 1, 4096),
      replicas: parseCount(values.text('replicas'), 'replicas', 1, 7),
    },
  };
}

/** Adds itself, if `vedette cluster add` has not: either way it is a member afterwards, and knows of what. */
async function askToJoin(addresses: readonly string[], self: NewBroker): Promise<Beginning> {
  const admin = createAdminClient({ addresses, clock: createRealClock(), random: createRandom(randomName()) });
  try {
    const { clusterId, shards, replicas, founders, brokers, membersAt } = admissionFromProto(
      await admin.ask(adminDefinition.AddBroker, { ...self, call: await admin.call() }),
    );
    return {
      how: 'joins',
      cluster: clusterId as ClusterId,
      founding: { members: byId(founders), shards, replicas },
      roster: { at: membersAt, members: byId(brokers) },
    };
  } finally {
    admin.close();
  }
}

const byId = (members: readonly MemberAddress[]): Record<string, string> =>
  Object.fromEntries(members.map(({ id, grpc }) => [id, grpc]));
