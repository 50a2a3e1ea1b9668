// What the whole cluster agrees on: the control group's state, as a function of its log and of nothing else.
//
//   entry ──▶ time moves on ──▶ whose call? known already: the recorded result ──▶ change ──▶ result
//
// Invariants
//   1. Equal logs make equal states, byte for byte in a snapshot: no clock, no chance, and only the order of the entries.
//   2. The first founding entry counts; later ones (of leaders that did not know it yet) change nothing.
//   3. The configuration changes only from the version that its author saw; a version is used once.
//   4. A broker that was removed does not come back by presenting itself: it is added anew.
//   5. Whenever other brokers are to hold shards the membership has another version, the same at every broker.
//   6. A broker leaves only while another stays.
//   7. A cluster that was recovered has another id: nothing that was told under the earlier one, cursors among it, holds for it.
import { assert } from './assert.ts';
import {
  type ControlResult,
  type ControlSessions,
  createControlSessions,
  doneResult,
  refusedResult,
} from './control-sessions.ts';
import type { BrokerId, ClusterId, LogIndex, Millis } from './ids.ts';
import { limits } from './limits.ts';
import { vedette } from './proto.ts';

const ENTRY_FORMAT = 1;
const SNAPSHOT_FORMAT = 1;

/** A broker as it presents itself. */
export interface BrokerFacts {
  readonly id: BrokerId;
  /** '' until it has presented itself. */
  readonly incarnation: string;
  readonly grpcAddress: string;
  readonly httpAddress: string;
  readonly zone: string;
}

export interface AgreedBroker extends BrokerFacts {
  /** It is on its way out. */
  readonly leaving: boolean;
}

export interface AgreedFounding {
  readonly shards: number;
  readonly replicas: number;
  /** Ids with gRPC addresses. */
  readonly members: Readonly<Record<string, string>>;
}

export interface AgreedConfig {
  /** How often it was changed. */
  readonly version: number;
  /** What differs from the defaults. */
  readonly values: Readonly<Record<string, number>>;
}

export interface ControlState {
  readonly cluster: ClusterId | null;
  readonly brokers: ReadonlyMap<BrokerId, AgreedBroker>;
  /** How often it changed who is to hold shards, the founding among them; 0: not founded yet. */
  readonly membershipVersion: number;
  /** The entry that last changed who is a member, or at which address: of two that know the members, the later knows better. */
  readonly membersAt: LogIndex;
  /** What the cluster was founded with; null until it was. */
  readonly founding: AgreedFounding | null;
  readonly config: AgreedConfig;
  readonly sessions: number;
  /** @throws AssertionError for an entry of another format: one that was agreed on and cannot be read is corruption, or a newer version's. */
  apply(index: LogIndex, payload: Uint8Array): ControlResult;
  encode(): Uint8Array;
  /** What `encode` made of another state. @throws when it cannot be read; then nothing is changed. */
  become(snapshot: Uint8Array): void;
}

type Entry = vedette.v1.ControlEntry;
const CHANGES = [
  'founded',
  'announced',
  'sessionOpened',
  'configChanged',
  'brokerAdded',
  'brokerLeaving',
  'brokerRemoved',
  'recovered',
] as const satisfies (keyof Entry)[];
export type ControlChange = Omit<vedette.v1.IControlEntry, 'stampMs' | 'call'>;

export function encodeControlEntry(entry: vedette.v1.IControlEntry): Uint8Array {
  return formatted(ENTRY_FORMAT, vedette.v1.ControlEntry.encode(entry).finish());
}

/** Whether it can be applied: what cannot must never be agreed on. */
export function isControlEntry(payload: Uint8Array): boolean {
  if (payload[0] !== ENTRY_FORMAT) return false;
  try {
    const entry = vedette.v1.ControlEntry.decode(payload.subarray(1));
    return CHANGES.some((change) => entry[change]);
  } catch {
    return false;
  }
}

/** @param snapshot what `encode` made of another state. @param sessions for tests of what they are there for. */
export function createControlState(
  snapshot?: Uint8Array,
  sessionsFrom: (saved: readonly vedette.v1.IControlSession[]) => ControlSessions = (saved) =>
    createControlSessions(limits.control, saved),
): ControlState {
  const brokers = new Map<BrokerId, AgreedBroker>();
  let sessions = sessionsFrom([]);
  let founded: vedette.v1.IClusterFounded | null = null;
  let config: AgreedConfig = { version: 0, values: {} };
  let membershipVersion = 0;
  let time: Millis = 0;
  let membersAt: LogIndex = 0;
  if (snapshot !== undefined) become(snapshot);

  function become(bytes: Uint8Array): void {
    const saved = decodeSnapshot(bytes);
    sessions = sessionsFrom(saved.sessions ?? []);
    brokers.clear();
    for (const { facts, leaving } of saved.brokers ?? []) {
      const broker = factsFrom(facts ?? {});
      brokers.set(broker.id, { ...broker, leaving: leaving ?? false });
    }
    founded = saved.founded ?? null;
    config = { version: saved.configVersion ?? 0, values: { ...saved.configValues } };
    membershipVersion = saved.membershipVersion ?? 0;
    time = saved.timeMs ?? 0;
    membersAt = saved.membersAt ?? 0;
  }

  function found(index: LogIndex, founding: vedette.v1.IClusterFounded): ControlResult {
    if (founded !== null) return doneResult();
    founded = founding;
    membershipVersion = 1;
    membersAt = index;
    for (const [id, grpcAddress] of foundersOf(founding)) {
      const facts = { id, incarnation: '', grpcAddress, httpAddress: '', zone: '' };
      brokers.set(id, { ...facts, leaving: false });
    }
    return doneResult();
  }

  function announce(index: LogIndex, announced: vedette.v1.IBrokerAnnounced): ControlResult {
    const facts = factsFrom(announced);
    const known = brokers.get(facts.id);
    if (known === undefined) return refusedResult('NOT_FOUND', `${facts.id} is no member`, 'id');
    brokers.set(facts.id, { ...facts, leaving: known.leaving });
    if (known.grpcAddress !== facts.grpcAddress) membersAt = index;
    return doneResult();
  }

  function setConfig({ version, values }: vedette.v1.IConfigChanged): ControlResult {
    if ((version ?? 0) !== config.version)
      return refusedResult(
        'ABORTED',
        `the configuration is at version ${config.version}, not ${version ?? 0}: somebody else changed it`,
        'version',
        config.version,
      );
    const sorted = Object.entries(values ?? {}).sort(([a], [b]) => (a < b ? -1 : 1));
    config = { version: config.version + 1, values: Object.fromEntries(sorted) };
    return doneResult(config.version);
  }

  function add(index: LogIndex, { brokerId, grpcAddress, httpAddress, zone }: vedette.v1.IBrokerAdded): ControlResult {
    if (founded === null) return refusedResult('FAILED_PRECONDITION', 'the cluster is not founded yet');
    const facts = factsFrom({
      brokerId: brokerId ?? '',
      grpcAddress: grpcAddress ?? '',
      httpAddress: httpAddress ?? '',
      zone: zone ?? '',
    });
    const known = brokers.get(facts.id);
    const problem = known === undefined ? obstacleToAdd(facts) : obstacleToAgain(known, facts);
    if (problem !== null) return problem;
    if (known === undefined) {
      brokers.set(facts.id, { ...facts, leaving: false });
      membershipVersion++;
      membersAt = index;
    }
    return doneResult();
  }

  function obstacleToAdd({ id, grpcAddress }: BrokerFacts): ControlResult | null {
    const there = [...brokers.values()].find((broker) => broker.grpcAddress === grpcAddress);
    if (there !== undefined)
      return refusedResult('ALREADY_EXISTS', `${grpcAddress} is the address of ${there.id}, not of ${id}`, 'grpc');
    if (brokers.size < limits.peers.brokersMax) return null;
    return refusedResult('RESOURCE_EXHAUSTED', `the cluster has ${brokers.size} brokers, the most that it takes`, 'id');
  }

  /** To add what is there already, at the same place, is done already. */
  function obstacleToAgain(known: AgreedBroker, { id, grpcAddress }: BrokerFacts): ControlResult | null {
    if (known.leaving)
      return refusedResult('FAILED_PRECONDITION', `${id} is leaving: add it again when it has left`, 'id');
    if (known.grpcAddress === grpcAddress) return null;
    return refusedResult('ALREADY_EXISTS', `${id} is a member already, at ${known.grpcAddress}`, 'id');
  }

  function leave(id: BrokerId): ControlResult {
    const known = brokers.get(id);
    if (known === undefined) return refusedResult('NOT_FOUND', `there is no broker ${JSON.stringify(id)}`, 'id');
    if (known.leaving) return doneResult();
    const stays = [...brokers.values()].some((broker) => broker.id !== id && !broker.leaving);
    if (!stays) return refusedResult('FAILED_PRECONDITION', `${id} is the last broker: nobody would be left`, 'id');
    membershipVersion++;
    brokers.set(id, { ...known, leaving: true });
    return doneResult();
  }

  function remove(index: LogIndex, id: BrokerId): ControlResult {
    if (brokers.get(id)?.leaving !== true) return doneResult();
    brokers.delete(id);
    membersAt = index;
    return doneResult();
  }

  /** All others are lost. Told twice it comes to the same. */
  function recover(index: LogIndex, recovered: vedette.v1.IClusterRecovered): ControlResult {
    if (founded === null) return refusedResult('FAILED_PRECONDITION', 'the cluster is not founded yet');
    const { clusterId, brokerId, grpcAddress } = recovered;
    const facts = factsFrom({ brokerId: brokerId ?? '', grpcAddress: grpcAddress ?? '' });
    const known = brokers.get(facts.id) ?? facts;
    founded = { ...founded, clusterId: clusterId ?? '' };
    brokers.clear();
    brokers.set(facts.id, { ...known, leaving: false });
    membershipVersion++;
    membersAt = index;
    return doneResult();
  }

  function change(index: LogIndex, entry: Entry): ControlResult {
    if (entry.founded) return found(index, entry.founded);
    if (entry.announced) return announce(index, entry.announced);
    if (entry.configChanged) return setConfig(entry.configChanged);
    if (entry.brokerAdded) return add(index, entry.brokerAdded);
    if (entry.brokerLeaving) return leave((entry.brokerLeaving.brokerId ?? '') as BrokerId);
    if (entry.brokerRemoved) return remove(index, (entry.brokerRemoved.brokerId ?? '') as BrokerId);
    if (entry.recovered) return recover(index, entry.recovered);
    if (entry.sessionOpened) {
      sessions.open(index, time);
      return doneResult(index);
    }
    assert(false, `the control entry at ${index} holds a change that this version does not know`);
  }

  function applyOnce(index: LogIndex, entry: Entry): ControlResult {
    if (!entry.call) return change(index, entry);
    const { session, sequence } = entry.call;
    const judged = sessions.judge(session ?? 0, sequence ?? 0, time);
    if (judged.verdict !== 'new') return judged.result;
    const result = change(index, entry);
    sessions.record(session ?? 0, sequence ?? 0, result);
    return result;
  }

  return {
    get cluster() {
      return founded === null ? null : ((founded.clusterId ?? '') as ClusterId);
    },
    brokers,
    get membersAt() {
      return membersAt;
    },
    get founding() {
      if (founded === null) return null;
      const { shards, replicas } = founded;
      return { shards: shards ?? 0, replicas: replicas ?? 0, members: Object.fromEntries(foundersOf(founded)) };
    },
    get config() {
      return config;
    },
    get membershipVersion() {
      return membershipVersion;
    },
    get sessions() {
      return sessions.count;
    },
    apply(index, payload) {
      assert(
        payload[0] === ENTRY_FORMAT,
        () => `a control entry of format ${payload[0]}; this version reads ${ENTRY_FORMAT}`,
      );
      const entry = vedette.v1.ControlEntry.decode(payload.subarray(1));
      time = Math.max(time, entry.stampMs ?? 0);
      sessions.expire(time);
      return applyOnce(index, entry);
    },
    become,
    encode() {
      const message = vedette.v1.ControlSnapshot.encode({
        timeMs: time,
        ...(founded === null ? {} : { founded }),
        brokers: [...brokers.values()].map(({ leaving, ...facts }) => ({ facts: factsToProto(facts), leaving })),
        configVersion: config.version,
        configValues: { ...config.values },
        sessions: sessions.encode(),
        membershipVersion,
        membersAt,
      }).finish();
      return formatted(SNAPSHOT_FORMAT, message);
    },
  };
}

function foundersOf({ brokerIds, grpcAddresses }: vedette.v1.IClusterFounded): [BrokerId, string][] {
  return (brokerIds ?? []).map((id, at) => [id as BrokerId, grpcAddresses?.[at] ?? '']);
}

function decodeSnapshot(bytes: Uint8Array): vedette.v1.ControlSnapshot {
  assert(
    bytes[0] === SNAPSHOT_FORMAT,
    () => `a snapshot of the control group of format ${bytes[0]}; this version reads ${SNAPSHOT_FORMAT}`,
  );
  return vedette.v1.ControlSnapshot.decode(bytes.subarray(1));
}

function formatted(format: number, message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(1 + message.length);
  bytes[0] = format;
  bytes.set(message, 1);
  return bytes;
}

function factsFrom(announced: vedette.v1.IBrokerAnnounced): BrokerFacts {
  const { brokerId, incarnation, grpcAddress, httpAddress, zone } = announced;
  return {
    id: (brokerId ?? '') as BrokerId,
    incarnation: incarnation ?? '',
    grpcAddress: grpcAddress ?? '',
    httpAddress: httpAddress ?? '',
    zone: zone ?? '',
  };
}

export function factsToProto({ id, ...facts }: BrokerFacts): vedette.v1.IBrokerAnnounced {
  return { brokerId: id, ...facts };
}
