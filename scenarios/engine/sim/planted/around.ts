// The ports of a member with one thing changed.
import type { SnapshotPorts } from '../../../../src/actors/raft/group-snapshots.ts';
import type { RaftGroup } from '../../../../src/actors/raft-group.ts';
import type { LogStore } from '../../../../src/actors/stores/log.ts';

export function logWith(log: LogStore, change: Partial<LogStore>): LogStore {
  return {
    recovered: (group) => log.recovered(group),
    write: (write, synced) => log.write(write, synced),
    read: (...wanted) => log.read(...wanted),
    get pendingBytes() {
      return log.pendingBytes;
    },
    get busySince() {
      return log.busySince;
    },
    get full() {
      return log.full;
    },
    close: (done) => log.close(done),
    ...change,
  };
}

export function groupWith(group: RaftGroup, change: Partial<RaftGroup>): RaftGroup {
  return {
    id: group.id,
    members: group.members,
    get status() {
      return group.status;
    },
    statusChanges: group.statusChanges,
    propose: (payload, timeoutMs, done) => group.propose(payload, timeoutMs, done),
    read: (done) => group.read(done),
    receive: (envelope) => group.receive(envelope),
    beat: (links) => group.beat(links),
    keepsUp: (peer) => group.keepsUp(peer),
    claimTo: (peer) => group.claimTo(peer),
    follows: (leader, term, commit) => group.follows(leader, term, commit),
    linkSilent: (leader, term, until) => group.linkSilent(leader, term, until),
    peerClosed: (peer) => group.peerClosed(peer),
    peerOpened: (peer) => group.peerOpened(peer),
    snapshot: (done) => group.snapshot(done),
    changeMembership: (seen, target, timeoutMs, done) => group.changeMembership(seen, target, timeoutMs, done),
    transfer: (to, done) => group.transfer(to, done),
    trust: () => group.trust(),
    stop: () => group.stop(),
    ...change,
  };
}

/** @param save writes another snapshot than it is asked for. */
export function snapshotsWith(ports: SnapshotPorts, save: SnapshotPorts['store']['save']): SnapshotPorts {
  const { store } = ports;
  return {
    ...ports,
    store: {
      newest: (group) => store.newest(group),
      kept: (group) => store.kept(group),
      save,
      receive: (meta) => store.receive(meta),
      read: (snapshot) => store.read(snapshot),
      setAside: (snapshot, reason) => store.setAside(snapshot, reason),
      groups: () => store.groups(),
      forget: (group) => store.forget(group),
      close: () => store.close(),
    },
  };
}
