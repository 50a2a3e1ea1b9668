// One whole broker on a virtual clock: how it is founded, fails, and stops.
import { strict as assert } from 'node:assert';
import { Subject } from 'rxjs';
import { test } from 'uvu';
import { createBroker } from '../../src/actors/broker.ts';
import type { AcceptedPeer } from '../../src/actors/peer-transport.ts';
import type { Identity, IdentityStore } from '../../src/actors/stores/identity.ts';
import type { BrokerLog } from '../../src/actors/stores/log.ts';
import { openSnapshots } from '../../src/actors/stores/snapshots.ts';
import { crc32c } from '../../src/core/crc32c.ts';
import { unavailable, VedetteError } from '../../src/core/errors.ts';
import type { BrokerId, ClusterId } from '../../src/core/ids.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import type { SnapshotMessage } from '../../src/streams/snapshot-message.ts';
import type { Wire } from '../../src/streams/wire.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';
import { createMemoryDisk as createFileDisk, type MemoryDisk as FileDisk } from '../support/memory-disk.ts';
import { createMemoryLog, type MemoryDisk } from '../support/memory-log.ts';

const ID = 'broker-1' as BrokerId;

interface Setup {
  readonly cluster?: ClusterId | '';
  readonly disk?: MemoryDisk;
  /** Of its snapshots. */
  readonly files?: FileDisk;
  /** Instead of what these do. */
  readonly log?: Partial<BrokerLog>;
  readonly setCluster?: IdentityStore['setCluster'];
}

function start({ cluster = '', disk = new Map(), ...instead }: Setup = {}) {
  const clock = createVirtualClock();
  const { files = createFileDisk(clock) } = instead;
  const log = createMemoryLog({ clock, disk });
  const inspector = createInspector({ clock });
  const founding = { members: { [ID]: 'x:1' }, shards: 2, replicas: 3 };
  const roster = { at: 0, members: founding.members };
  let identity: Identity = {
    broker: ID,
    incarnation: 'i1',
    cluster,
    formerly: [],
    recovering: '',
    founding,
    roster,
    removed: false,
  };
  const broker = createBroker({
    id: ID,
    grpcAddress: 'x:1',
    httpAddress: 'x:2',
    clock,
    random: createRandom(1),
    inspector,
    log: { ...log, groups: [], ...instead.log },
    identity: {
      get identity() {
        return identity;
      },
      setCluster(agreed) {
        if (identity.cluster !== '' && identity.cluster !== agreed)
          throw new VedetteError('FAILED_PRECONDITION', `the directory belongs to cluster ${identity.cluster}`);
        identity = { ...identity, cluster: agreed };
      },
      setRoster(newer) {
        identity = { ...identity, roster: newer };
      },
      setRemoved() {},
      ...(instead.setCluster === undefined ? {} : { setCluster: instead.setCluster }),
    },
    peers: {
      accepted: new Subject<AcceptedPeer>(),
      dial() {
        throw new Error('there is nobody to dial');
      },
    },
    snapshots: {
      store: openSnapshots({
        disk: files,
        directory: '/snapshots',
        clock,
        crc32c,
        cluster,
        warn: () => {},
        failed: () => {},
      }),
      transport: {
        accepted: new Subject<Wire<SnapshotMessage>>(),
        dial() {
          throw new Error('there is nobody to dial');
        },
      },
      crc32c,
    },
    clients: (address) => {
      throw unavailable(address);
    },
    zone: '',
    mintCluster: () => 'minted' as ClusterId,
    memoryBytes: 1_000_000,
    raft: { heartbeatMs: 50, electionMinMs: 250, electionMaxMs: 500, closedConnectionHint: true },
    warn: () => {},
  });
  const failures: VedetteError[] = [];
  broker.failed.subscribe((error) => failures.push(error));
  return { broker, clock, disk, files, failures, inspector, identity: () => identity };
}

test('a broker alone founds its cluster, leads everything, and knows it again', () => {
  const { broker, clock, disk, identity } = start();
  clock.advance(2_000);
  assert.deepEqual(broker.health(), { ready: true, reasons: [] });
  assert.equal(identity().cluster, 'minted');
  assert.equal(broker.figures().groupsLed, 3);
  broker.stop(() => {});
  clock.advance(100);
  const again = start({ cluster: 'minted' as ClusterId, disk });
  again.clock.advance(2_000);
  assert.ok(again.broker.health().ready);
  assert.deepEqual(again.failures, []);
});

test("a log of another cluster than the directory's identity ends the broker", () => {
  const first = start();
  first.clock.advance(2_000);
  const { broker, clock, failures } = start({ cluster: 'another' as ClusterId, disk: first.disk });
  clock.advance(2_000);
  assert.equal(failures[0]?.code, 'FAILED_PRECONDITION');
  assert.match(failures[0].message, /belongs to cluster another/);
  assert.equal(broker.health().ready, false);
});

test('it fails once, with the first reason, and nothing of it runs on', () => {
  const { broker, clock, failures, inspector } = start();
  clock.advance(2_000);
  broker.fail(new VedetteError('DATA_LOSS', 'the first reason'));
  broker.fail(new VedetteError('INTERNAL', 'what follows from it'));
  assert.deepEqual(
    failures.map(({ message }) => message),
    ['the first reason'],
  );
  clock.advance(1);
  assert.equal(clock.pending, 0, 'no timer is left');
  assert.deepEqual(
    inspector.machines({}).map(({ id, state }) => [id, state]),
    [['broker-1/broker', 'failed']],
  );
});

test('what fails while the broker is put together is its reason, and nothing of it runs on', () => {
  const first = start();
  first.clock.advance(2_000);
  // A snapshot tells at once of a cluster: nothing has to be applied first.
  let saved = false;
  first.broker.groups.find(({ id }) => id === 'control')?.snapshot((error) => (saved = error === null));
  first.clock.advance(1_000);
  assert.ok(saved);
  const { broker, clock, failures, inspector } = start({
    cluster: 'minted' as ClusterId,
    disk: first.disk,
    files: first.files,
    setCluster() {
      throw new Error('the disk is gone');
    },
  });
  assert.deepEqual(
    failures.map(({ message }) => message),
    ['the disk is gone'],
  );
  assert.equal(broker.health().ready, false);
  let stopped = 0;
  broker.stop(() => stopped++);
  clock.advance(1);
  assert.equal(stopped, 1);
  assert.equal(clock.pending, 0, 'no timer is left');
  assert.deepEqual(
    inspector.machines({}).map(({ id, state }) => [id, state]),
    [['broker-1/broker', 'failed']],
  );
});

test('a log that fails while it is being closed does not keep a broker that is told to stop', () => {
  const { broker, clock } = start({ log: { close() {} } });
  clock.advance(2_000);
  let stopped = 0;
  broker.stop(() => stopped++);
  clock.advance(1_000);
  assert.equal(stopped, 0);
  broker.fail(new VedetteError('INTERNAL', 'the disk is gone'));
  clock.advance(1);
  assert.equal(stopped, 1);
});

test.run();
