// Whose data directory this is, and what has to be known at the next start before anything is heard from others: the cluster, what it
// was founded with, and where its members are. A directory of another broker, of another cluster, or laid out for other founding
// settings is refused: to mix them would be to lose data later.
//
//   DATA/identity.json   written beside, synced, renamed
//
// Invariants
//   1. A cluster's id, once known, stays, unless it is recovered from the loss of a majority. A newer list of members replaces an
//      older one, never the other way.
//   2. The directory of a broker that was removed is never used again: what it holds is older than what the others went on to.
//   3. A recovery that was begun is finished before a broker starts: until then its groups may be partly those of the old cluster,
//      whose other brokers would be heard.
import { VedetteError } from '../../core/errors.ts';
import type { BrokerId, ClusterId, LogIndex } from '../../core/ids.ts';
import type { Disk } from './disk.ts';
import { holdsLog } from './log/segment-files.ts';

/** What a cluster is founded with: the same at every broker, and for good. */
export interface Founding {
  /** Broker ids with their gRPC addresses. */
  readonly members: Readonly<Record<string, string>>;
  readonly shards: number;
  readonly replicas: number;
}

/** The members with their gRPC addresses, as of the entry of the control group that last changed them; 0: the founders. */
export interface Roster {
  readonly at: LogIndex;
  readonly members: Readonly<Record<string, string>>;
}

export interface Identity {
  readonly broker: BrokerId;
  /** Minted once per directory: two of them under one broker id are two brokers. */
  readonly incarnation: string;
  /** '' until the first control leader has minted it. */
  readonly cluster: ClusterId | '';
  /** What it was called before it was recovered; oldest first. */
  readonly formerly: readonly ClusterId[];
  /** What it will be called when the recovery is finished that was begun; '': none was. */
  readonly recovering: ClusterId | '';
  readonly founding: Founding;
  readonly roster: Roster;
  readonly removed: boolean;
}

export interface IdentityStore {
  readonly identity: Identity;
  /** Each is durable when it returns. @throws VedetteError FAILED_PRECONDITION when the directory belongs to another cluster. */
  setCluster(cluster: ClusterId): void;
  setRoster(roster: Roster): void;
  /** This broker has left the cluster. */
  setRemoved(): void;
}

/** For whoever recovers the cluster from what this broker has. */
export interface RecoverableIdentity extends IdentityStore {
  /** Each is durable when it returns. */
  beginRecovery(becomes: ClusterId): void;
  finishRecovery(roster: Roster): void;
}

/** What a broker is started with: what a directory that exists must fit, and what a new one becomes. */
export type Beginning =
  /** With its cluster. */
  | { readonly how: 'founder'; readonly founding: Founding }
  /** Into a cluster that there is. */
  | { readonly how: 'joins'; readonly founding: Founding; readonly cluster: ClusterId; readonly roster: Roster }
  /** Where it was: only in a directory that there is. */
  | { readonly how: 'again' }
  /** The same, to be recovered. */
  | { readonly how: 'recovers' };

const FORMAT = 2;
/** With what a recovery leaves: who does not know of it would take the cluster for the old one. */
const FORMAT_RECOVERED = 3;

/** As the file has it. `formerly` and `recovering` may be missing: nothing was recovered. */
interface Stored {
  readonly format: number;
  readonly broker: string;
  readonly incarnation: string;
  readonly cluster: string;
  readonly formerly: readonly string[];
  readonly recovering: string;
  readonly shards: number;
  readonly replicas: number;
  readonly founders: Readonly<Record<string, string>>;
  readonly members: Readonly<Record<string, string>>;
  readonly membersAt: number;
  readonly removed: boolean;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value: unknown): boolean => typeof value === 'string';
const isNumber = (value: unknown): boolean => Number.isFinite(value);
const areAddresses = (value: unknown): boolean => isObject(value) && Object.values(value).every(isText);

const FIELDS: Readonly<Record<keyof Stored, (value: unknown) => boolean>> = {
  format: isNumber,
  broker: isText,
  incarnation: (value) => typeof value === 'string' && value.length >= 8,
  cluster: isText,
  formerly: (value) => Array.isArray(value) && value.every(isText),
  recovering: isText,
  shards: isNumber,
  replicas: isNumber,
  founders: areAddresses,
  members: areAddresses,
  membersAt: isNumber,
  removed: (value) => typeof value === 'boolean',
};

const pathIn = (directory: string): string => `${directory}/identity.json`;

export const holdsIdentity = (disk: Disk, directory: string): boolean => disk.exists(pathIn(directory));

/** As it is on disk. Null: there is none, or it cannot be read; whoever opens it is told why. */
export function readIdentity(disk: Disk, directory: string): Identity | null {
  try {
    return holdsIdentity(disk, directory) ? identityFrom(read(disk, pathIn(directory))) : null;
  } catch {
    return null;
  }
}

/** @param mintIncarnation called once, for a new directory. @throws VedetteError FAILED_PRECONDITION naming what differs. */
export function openIdentity(
  disk: Disk,
  directory: string,
  broker: BrokerId,
  beginning: Beginning,
  mintIncarnation: () => string,
): RecoverableIdentity {
  disk.makeDirectory(directory);
  const path = pathIn(directory);
  let identity = disk.exists(path) ? load() : create();

  function create(): Identity {
    if (holdsLog(disk, `${directory}/log`))
      throw unfit(`${directory} holds a log, but no identity.json: it is damaged, or not a broker's directory`);
    if (beginning.how === 'again' || beginning.how === 'recovers')
      throw unfit(`${directory} is no broker's directory: a new broker is started with --peers or with --join`);
    const { founding } = beginning;
    const [cluster, roster] =
      beginning.how === 'joins'
        ? [beginning.cluster, beginning.roster]
        : (['', { at: 0, members: founding.members }] as const);
    const fresh: Identity = {
      broker,
      incarnation: mintIncarnation(),
      cluster,
      formerly: [],
      recovering: '',
      founding,
      roster,
      removed: false,
    };
    save(fresh);
    return fresh;
  }

  function load(): Identity {
    const found = identityFrom(read(disk, path));
    if (found.broker !== broker) throw differs(directory, 'broker', found.broker, broker);
    if (found.removed)
      throw unfit(
        `${directory} is the data directory of ${broker}, which was removed from cluster ${found.cluster}: to bring the broker back, start it with an empty directory and --join`,
      );
    if (found.recovering !== '' && beginning.how !== 'recovers')
      throw unfit(
        `the recovery of ${directory} was begun and not finished: run vedette cluster recover --data ${directory} --id ${broker} --yes again`,
      );
    if (beginning.how !== 'founder') return found;
    compare(directory, found, beginning.founding);
    return movedTo(found, beginning.founding);
  }

  function save(next: Identity): void {
    const text = `${JSON.stringify(storedFrom(next), null, 2)}\n`;
    const beside = `${path}.new`;
    if (disk.exists(beside)) disk.remove(beside);
    const file = disk.open(beside, 'create');
    file.writeSync(new TextEncoder().encode(text), 0);
    file.syncSync();
    file.close();
    disk.rename(beside, path);
    disk.syncDirectory(directory);
  }

  function become(change: Partial<Identity>): void {
    const next = { ...identity, ...change };
    save(next);
    identity = next;
  }

  return {
    get identity() {
      return identity;
    },
    setCluster(cluster) {
      if (identity.cluster === cluster) return;
      if (identity.cluster !== '')
        throw unfit(`${directory} belongs to cluster ${identity.cluster}, and its peers to cluster ${cluster}`);
      become({ cluster });
    },
    setRoster(roster) {
      if (roster.at > identity.roster.at) become({ roster });
    },
    setRemoved() {
      if (!identity.removed) become({ removed: true });
    },
    beginRecovery(recovering) {
      become({ recovering });
    },
    finishRecovery(roster) {
      const { cluster, formerly, recovering } = identity;
      become({
        cluster: recovering,
        formerly: cluster === '' ? formerly : [...formerly, cluster],
        recovering: '',
        roster,
      });
    },
  };
}

const unfit = (message: string): VedetteError => new VedetteError('FAILED_PRECONDITION', message, { field: 'data' });

const differs = (directory: string, what: string, theirs: string, ours: string): VedetteError =>
  unfit(`${directory} is the data directory of ${what} ${theirs}, not ${ours}`);

function compare(directory: string, { founding: found }: Identity, wanted: Founding): void {
  const ids = ({ members }: Founding) => Object.keys(members).sort().join(', ');
  if (found.shards !== wanted.shards)
    throw differs(directory, 'a cluster with --shards', String(found.shards), String(wanted.shards));
  if (found.replicas !== wanted.replicas)
    throw differs(directory, 'a cluster with --replicas', String(found.replicas), String(wanted.replicas));
  if (ids(found) !== ids(wanted)) throw differs(directory, 'a cluster founded by', ids(found), ids(wanted));
}

/**
 * Founders that are started with other addresses than the last time are there. Flags that stayed the same say nothing new: where a
 * founder is may have been agreed on since.
 */
function movedTo({ founding: before, roster, ...identity }: Identity, founding: Founding): Identity {
  const members = Object.entries(roster.members).map(([id, address]) => {
    const said = founding.members[id];
    return [id, said === undefined || said === before.members[id] ? address : said];
  });
  return { ...identity, founding, roster: { at: roster.at, members: Object.fromEntries(members) } };
}

function storedFrom({ founding, roster, formerly, ...rest }: Identity): Stored {
  const { members: founders, shards, replicas } = founding;
  return {
    format: rest.recovering === '' && formerly.length === 0 ? FORMAT : FORMAT_RECOVERED,
    ...rest,
    formerly: [...formerly],
    shards,
    replicas,
    founders: { ...founders },
    members: { ...roster.members },
    membersAt: roster.at,
  };
}

function identityFrom(found: Stored): Identity {
  const {
    broker,
    incarnation,
    cluster,
    formerly,
    recovering,
    founders,
    shards,
    replicas,
    members,
    membersAt,
    removed,
  } = found;
  return {
    broker: broker as BrokerId,
    incarnation,
    cluster: cluster as ClusterId | '',
    formerly: formerly as ClusterId[],
    recovering: recovering as ClusterId | '',
    founding: { members: founders, shards, replicas },
    roster: { at: membersAt, members },
    removed,
  };
}

function read(disk: Disk, path: string): Stored {
  const file = disk.open(path, 'read');
  const text = new TextDecoder().decode(file.readSync(0, file.size()));
  file.close();
  return parse(text, path);
}

function parse(text: string, path: string): Stored {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new VedetteError('DATA_LOSS', `${path} is damaged: it is not JSON`, { cause: error });
  }
  const found = isObject(value) ? { formerly: [], recovering: '', ...value } : {};
  const format = 'format' in found ? found.format : undefined;
  if (typeof format === 'number' && format !== FORMAT && format !== FORMAT_RECOVERED)
    throw unfit(
      format > FORMAT
        ? `${path} was written by a newer version of vedette; start that version`
        : `${path} was written by an earlier version of vedette, which this one does not read: start with an empty directory`,
    );
  if (isStored(found)) return found;
  throw new VedetteError('DATA_LOSS', `${path} is damaged: ${wrongIn(found).join(', ')} is missing or wrong`);
}

const wrongIn = (found: object): string[] =>
  Object.entries(FIELDS).flatMap(([name, takes]) => (takes(Reflect.get(found, name)) ? [] : [name]));

const isStored = (found: object): found is Stored => wrongIn(found).length === 0;
