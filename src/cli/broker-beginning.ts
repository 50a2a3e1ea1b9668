// How a broker begins, by its flags and by what is in its directory: it founds a cluster, joins one, or goes on where it was.
import { createAdminClient } from '../actors/transports/admin-client.ts';
import { admissionFromProto } from '../actors/transports/admin-codec.ts';
import { createMonitorClients } from '../actors/transports/grpc-client.ts';
import { adminDefinition } from '../actors/transports/grpc-definitions.ts';
import type { MemberAddress, NewBroker } from '../actors/admin-service.ts';
import type { Beginning } from '../actors/stores/identity.ts';
import { invalidArgument, VedetteError } from '../core/errors.ts';
import type { ClusterId } from '../core/ids.ts';
import { parseAddresses, parseCount, parsePeers, parsePowerOfTwo } from '../core/units.ts';
import { createRandom } from '../streams/random.ts';
import { createRealClock } from '../streams/real-clock.ts';
import type { Values } from './flags.ts';
import { randomName } from './process.ts';

export interface KnownDirectory {
  readonly directory: string;
  /** '' where it was never heard. */
  readonly cluster: string;
}

/** For an address where nothing answers, not even that nothing listens. */
const SAME_CLUSTER_PATIENCE_MS = 2_000;

/**
 * What is wrong with the flags is said at once; a running cluster is asked when the answer is called for.
 * @param known whose directory it is already, of which cluster; null: nobody's. With --peers it is not looked at here.
 */
export function howItBegins(values: Values, self: NewBroker, known: KnownDirectory | null): () => Promise<Beginning> {
  const [peers, join] = [values.optional('peers'), values.optional('join')];
  if (peers !== undefined && join !== undefined)
    throw invalidArgument('join', '--peers founds a cluster, --join takes part in one that is there: one of the two');
  if (peers !== undefined) {
    const beginning = founding(values, self, peers);
    return () => Promise.resolve(beginning);
  }
  if (known !== null) {
    const addresses = join === undefined ? [] : parseAddresses(join, 'join');
    return async () => {
      if (addresses.length > 0) await checkSameCluster(addresses, known);
      return { how: 'again' };
    };
  }
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

/**
 * With --join at every start: where the directory is another cluster's, the broker would go on there, and whoever started it believe it here.
 * @throws VedetteError FAILED_PRECONDITION
 */
async function checkSameCluster(addresses: readonly string[], { directory, cluster }: KnownDirectory): Promise<void> {
  const clients = createMonitorClients();
  const asked = addresses.map((address) => clients.get(address).listBrokers({ deadlineMs: SAME_CLUSTER_PATIENCE_MS }));
  // Who is not there is not waited for: a broker knows its peers.
  const answers = await Promise.allSettled(asked);
  clients.close();
  answers.forEach((answer, at) => {
    const other = answer.status === 'fulfilled' ? (answer.value.clusterId ?? '') : '';
    if (other === '' || cluster === '' || other === cluster) return;
    throw new VedetteError(
      'FAILED_PRECONDITION',
      `${directory} is the data directory of a broker of cluster ${cluster}, and ${addresses[at]} is of cluster ${other}`,
      { field: 'data' },
    );
  });
}

const byId = (members: readonly MemberAddress[]): Record<string, string> =>
  Object.fromEntries(members.map(({ id, grpc }) => [id, grpc]));
