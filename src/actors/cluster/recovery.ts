// Recovery from the loss of a majority: a stopped broker's directory becomes that of the only broker of a cluster that goes on from
// what is there. `plan` looks; `carryOut` writes.
//
//   begun: identity.json names the new cluster id ──▶ the log: each group's only voter is this broker (raft/sole-voter.ts), and the
//        control group is told that the others are gone ──▶ finished: identity.json has the new id, and no other member
//
// Invariants
//   1. From when it is begun until it is finished no broker starts in the directory. Whatever ended it half-way, it is carried out
//      again, from where the groups stand by then, towards the same cluster id; a group may be told twice, which comes to the same.
//   2. The cluster has another id before any of its brokers runs: the lost ones, should they come back, are refused by it and refuse
//      it, so that nothing of what they hold is mixed with what went on without them; cursors of the old cluster are refused, too.
//   3. Every shard has a replica afterwards. One of which nothing is here begins empty, which is a doubt that a person accepts.
import { describeError, VedetteError } from '../../core/errors.ts';
import { encodeControlEntry } from '../../core/control-state.ts';
import { type BrokerId, type ClusterId, type GroupId, shardGroup } from '../../core/ids.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Random } from '../../streams/random.ts';
import type { Kernels } from '../kernels.ts';
import { type GroupHeld, type SoleVoter, soleVoter } from '../raft/sole-voter.ts';
import type { Disk } from '../stores/disk.ts';
import { openBrokerDirectory } from '../stores/broker-directory.ts';
import { holdsIdentity, type RecoverableIdentity } from '../stores/identity.ts';
import type { BrokerLog } from '../stores/log.ts';
import { holdsLog } from '../stores/log/segment-files.ts';
import { openSnapshots, type SnapshotStore, type StoredSnapshot } from '../stores/snapshots.ts';
import { checkFounding } from './founding-check.ts';
import { createLayouts } from './layout.ts';

export interface RecoveryPorts {
  readonly disk: Disk;
  readonly directory: string;
  readonly self: BrokerId;
  readonly clock: Clock;
  readonly random: Random;
  readonly kernels: Kernels;
  /** A new, unguessable name for a cluster. */
  readonly mintCluster: () => ClusterId;
  readonly warn: (message: string) => void;
}

export interface RecoveryPlan {
  readonly cluster: ClusterId;
  /** The brokers that are given up. */
  readonly lost: readonly BrokerId[];
  /** Where they were, and this one. */
  readonly addresses: Readonly<Record<string, string>>;
  /** The control group first, then every shard of the cluster. */
  readonly groups: readonly SoleVoter[];
  /** This broker is all that there is: nothing has to be done. */
  readonly isDone: boolean;
}

export interface Recovery {
  /** @throws VedetteError FAILED_PRECONDITION or DATA_LOSS: why nothing can be recovered from what is here. */
  look(): RecoveryPlan;
  /** What `look` gave. `done` once: with the cluster's new id when all is durable. */
  carryOut(plan: RecoveryPlan, done: (error: VedetteError | null, cluster: ClusterId) => void): void;
  /** Lets go of the directory. */
  close(done: () => void): void;
}

/** @throws VedetteError FAILED_PRECONDITION: it is no broker's directory, or a broker runs there. */
export function openRecovery(ports: RecoveryPorts): Recovery {
  const { disk, directory, self, clock, random, kernels, warn } = ports;
  // Nothing is made where nothing is.
  if (!holdsIdentity(disk, directory)) throw unfit(`${directory} is no broker's directory`);
  if (!holdsLog(disk, `${directory}/log`)) throw unfit(`there is no log in ${directory}/log: nothing can be recovered`);
  let broken: (error: VedetteError) => void = () => {};
  const common = { disk, clock, warn, failed: (error: VedetteError) => broken(error) };
  const opening = { ...common, directory, random, kernels };
  const { identity, log } = openBrokerDirectory(opening, self, { how: 'recovers' }, () => '');

  return {
    look() {
      const { cluster, formerly } = identity.identity;
      if (cluster === '')
        throw unfit(`${directory} never belonged to a cluster that was founded: start ${self} as it was`);
      const { crc32c } = kernels;
      const snapshots = openSnapshots({ ...common, directory: `${directory}/snapshots`, crc32c, cluster, formerly });
      const plan = planFor(self, cluster, { identity, log, snapshots });
      snapshots.close();
      return plan;
    },
    carryOut(plan, done) {
      broken = (error) => done(error, plan.cluster);
      write(ports, plan, { identity, log }, done);
    },
    close: (done) => log.close(done),
  };
}

interface Stores {
  readonly identity: RecoverableIdentity;
  readonly log: BrokerLog;
  readonly snapshots: SnapshotStore;
}

function planFor(self: BrokerId, cluster: ClusterId, { identity, log, snapshots }: Stores): RecoveryPlan {
  const { founding, roster, recovering } = identity.identity;
  const founders = checkFounding(founding);
  const layouts = createLayouts(self, founding, { brokers: new Map(), membershipVersion: 0 });
  const look = (group: GroupId, members: readonly BrokerId[]): SoleVoter =>
    lookAt({ self, group, founders: members, recovered: log.recovered(group) }, snapshots);
  const control = look('control', founders.includes(self) ? founders : []);
  if (control.doubt === 'nothing') throw unfit(`nothing of the control group is here: recover another broker`);
  if (control.doubt === 'outsider' || roster.members[self] === undefined)
    throw unfit(`${self} is no member of the cluster any more, by what is here: recover a broker that is`);
  const shards = Array.from({ length: founding.shards }, (_, id) => look(shardGroup(id), layouts.foundersOf(id)));
  const groups = [control, ...shards];
  const lost = (Object.keys(roster.members) as BrokerId[]).filter((id) => id !== self).sort();
  const isDone = recovering === '' && lost.length === 0 && groups.every(({ isAlone }) => isAlone);
  return { cluster, lost, addresses: roster.members, groups, isDone };
}

function lookAt(held: Omit<GroupHeld, 'snapshot'>, snapshots: SnapshotStore): SoleVoter {
  const { group } = held;
  const snapshot = snapshots.kept(group).find((kept) => isWhole(kept, snapshots));
  const found = soleVoter({ ...held, snapshot: snapshot?.meta ?? null });
  if (typeof found !== 'string') return found;
  throw new VedetteError(
    'DATA_LOSS',
    `${group}: ${found}. Nothing was changed: put the snapshots back, or recover another broker`,
  );
}

/** As the start will find it: one that is damaged is passed over there, too. */
function isWhole(snapshot: StoredSnapshot, snapshots: SnapshotStore): boolean {
  const reader = snapshots.read(snapshot);
  try {
    for (let number = 0; number < snapshot.offsets.length; number++) reader.readSync(number);
    return true;
  } catch {
    return false;
  } finally {
    reader.close();
  }
}

function write(
  { self, clock, mintCluster }: RecoveryPorts,
  { groups }: RecoveryPlan,
  { identity, log }: Pick<Stores, 'identity' | 'log'>,
  done: (error: VedetteError | null, cluster: ClusterId) => void,
): void {
  const { recovering, roster } = identity.identity;
  const becomes = recovering === '' ? mintCluster() : recovering;
  const address = roster.members[self] ?? '';
  if (recovering === '') identity.beginRecovery(becomes);
  const recovered = { clusterId: becomes, brokerId: self, grpcAddress: address };
  const { members, shards, replicas } = identity.identity.founding;
  const brokerIds = Object.keys(members).sort();
  const grpcAddresses = brokerIds.map((id) => members[id] ?? '');
  const founded = { clusterId: becomes, shards, replicas, brokerIds, grpcAddresses };
  const stampMs = clock.now();
  // Where it was founded already, which is nearly everywhere, that does nothing; where the entry was lost it would mint another id.
  const told = [encodeControlEntry({ stampMs, founded }), encodeControlEntry({ stampMs, recovered })];
  // The control group in any case: it may be alone, and not have been told yet.
  const changing = groups.filter(({ group, isAlone }) => group === 'control' || !isAlone);
  for (const { group, isForgotten } of changing) if (isForgotten) log.write({ group, forget: true }, () => {});
  const writes = changing.map((voter) => voter.write(voter.group === 'control' ? told : []));
  const toldAt = writes.flatMap(({ group, entries }) => (group === 'control' ? entries : [])).at(-1)?.index ?? 0;
  let left = writes.length;
  for (const one of writes)
    log.write(one, () => {
      left--;
      if (left > 0) return;
      try {
        identity.finishRecovery({ at: toldAt, members: { [self]: address } });
        done(null, becomes);
      } catch (error) {
        done(new VedetteError('INTERNAL', describeError(error), { cause: error }), becomes);
      }
    });
}

const unfit = (message: string): VedetteError => new VedetteError('FAILED_PRECONDITION', message, { field: 'data' });
