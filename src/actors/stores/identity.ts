// Whose data directory this is. A directory of another broker, of another cluster, or laid out for other founding settings is
// refused: to mix them would be to lose data later.
//
//   DATA/identity.json   written beside, synced, renamed
import { z } from 'zod';
import { VedetteError } from '../../core/errors.ts';
import type { BrokerId, ClusterId } from '../../core/ids.ts';
import type { Disk } from './disk.ts';
import { holdsLog } from './log/segment-files.ts';

/** What a cluster is founded with: the same at every broker, and for good. */
export interface Founding {
  /** Broker ids with their gRPC addresses, sorted by id. */
  readonly members: Readonly<Record<string, string>>;
  readonly shards: number;
  readonly replicas: number;
}

export interface Identity {
  readonly broker: BrokerId;
  /** Minted once per directory: two of them under one broker id are two brokers. */
  readonly incarnation: string;
  /** '' until the first control leader has minted it. */
  readonly cluster: ClusterId | '';
}

export interface IdentityStore {
  readonly identity: Identity;
  /** Durable when it returns. @throws VedetteError FAILED_PRECONDITION when the directory belongs to another cluster. */
  setCluster(cluster: ClusterId): void;
}

const FORMAT = 1;

const stored = z.object({
  format: z.number(),
  broker: z.string(),
  incarnation: z.string().min(8),
  cluster: z.string(),
  members: z.array(z.string()),
  shards: z.number(),
  replicas: z.number(),
});

/** @param mintIncarnation called once, for a new directory. @throws VedetteError FAILED_PRECONDITION naming what differs. */
export function openIdentity(
  disk: Disk,
  directory: string,
  broker: BrokerId,
  founding: Founding,
  mintIncarnation: () => string,
): IdentityStore {
  disk.makeDirectory(directory);
  const path = `${directory}/identity.json`;
  const members = Object.keys(founding.members).sort();
  let identity = disk.exists(path) ? load() : create();

  function create(): Identity {
    if (holdsLog(disk, `${directory}/log`)) {
      throw new VedetteError(
        'FAILED_PRECONDITION',
        `${directory} holds a log, but no identity.json: it is damaged, or not a broker's directory`,
        { field: 'data' },
      );
    }
    const fresh: Identity = { broker, incarnation: mintIncarnation(), cluster: '' };
    save(fresh);
    return fresh;
  }

  function load(): Identity {
    const file = disk.open(path, 'read');
    const text = new TextDecoder().decode(file.readSync(0, file.size()));
    file.close();
    const found = parse(text, path);
    const differs = (what: string, theirs: string, ours: string) =>
      new VedetteError('FAILED_PRECONDITION', `${directory} is the data directory of ${what} ${theirs}, not ${ours}`, {
        field: 'data',
      });
    if (found.broker !== broker) throw differs('broker', found.broker, broker);
    if (found.shards !== founding.shards)
      throw differs('a cluster with --shards', String(found.shards), String(founding.shards));
    if (found.replicas !== founding.replicas)
      throw differs('a cluster with --replicas', String(found.replicas), String(founding.replicas));
    if (found.members.join() !== members.join())
      throw differs('a cluster of', found.members.join(', '), members.join(', '));
    return { broker, incarnation: found.incarnation, cluster: found.cluster as ClusterId | '' };
  }

  function save(next: Identity): void {
    const { shards, replicas } = founding;
    const text = `${JSON.stringify({ format: FORMAT, ...next, members, shards, replicas }, null, 2)}\n`;
    const beside = `${path}.new`;
    if (disk.exists(beside)) disk.remove(beside);
    const file = disk.open(beside, 'create');
    file.writeSync(new TextEncoder().encode(text), 0);
    file.syncSync();
    file.close();
    disk.rename(beside, path);
    disk.syncDirectory(directory);
  }

  return {
    get identity() {
      return identity;
    },
    setCluster(cluster) {
      if (identity.cluster === cluster) return;
      if (identity.cluster !== '') {
        throw new VedetteError(
          'FAILED_PRECONDITION',
          `${directory} belongs to cluster ${identity.cluster}, and its peers to cluster ${cluster}`,
          { field: 'data' },
        );
      }
      const next = { ...identity, cluster };
      save(next);
      identity = next;
    },
  };
}

function parse(text: string, path: string): z.infer<typeof stored> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new VedetteError('DATA_LOSS', `${path} is damaged: it is not JSON`, { cause: error });
  }
  const found = stored.safeParse(value);
  if (!found.success)
    throw new VedetteError(
      'DATA_LOSS',
      `${path} is damaged: ${found.error.issues[0]?.path.join('.')} is missing or wrong`,
    );
  if (found.data.format > FORMAT)
    throw new VedetteError(
      'FAILED_PRECONDITION',
      `${path} was written by a newer version of vedette; start that version`,
    );
  return found.data;
}
