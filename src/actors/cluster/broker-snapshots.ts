// What a broker does with snapshots, whatever the group: the store, and the streams to and from others.
import type { BrokerId, ClusterId, GroupId } from '../../core/ids.ts';
import { limits, type SnapshotLimits } from '../../core/limits.ts';
import type { Crc32c } from '../../core/log-format.ts';
import type { Clock } from '../../streams/clock.ts';
import type { SnapshotPorts } from '../raft/group-snapshots.ts';
import type { SnapshotTransport } from '../snapshot-transfer.ts';
import type { SnapshotStore } from '../stores/snapshots.ts';
import { createSnapshotReceiver } from './snapshot-receiver.ts';
import { createSnapshotSender } from './snapshot-sender.ts';

export interface BrokerSnapshotPorts {
  readonly store: SnapshotStore;
  readonly transport: SnapshotTransport;
  readonly crc32c: Crc32c;
  readonly options?: Partial<SnapshotLimits>;
}

export interface BrokerSnapshots extends SnapshotPorts {
  /** Its member is gone from here: nothing of it is kept. */
  forget(group: GroupId): void;
  stop(): void;
}

export function createBrokerSnapshots(
  ports: BrokerSnapshotPorts & {
    readonly self: BrokerId;
    readonly clock: Clock;
    readonly cluster: () => ClusterId | '';
    /** Of a member. */
    readonly addressOf: (broker: BrokerId) => string | undefined;
    readonly hasGroup: (group: GroupId) => boolean;
    readonly warn: (message: string) => void;
  },
): BrokerSnapshots {
  const { self, clock, store, transport, crc32c, cluster, addressOf, hasGroup, warn } = ports;
  const options = { ...limits.snapshots, ...ports.options };
  const transfers = createSnapshotSender({ self, clock, store, dial: transport.dial, addressOf, warn, options });
  const isMember = (broker: BrokerId) => addressOf(broker) !== undefined;
  const receiver = createSnapshotReceiver({ self, clock, store, crc32c, cluster, isMember, hasGroup, warn, options });
  const accepting = transport.accepted.subscribe((wire) => receiver.accept(wire));
  return {
    store,
    transfers,
    cluster,
    options,
    forget(group) {
      receiver.forget(group);
      store.forget(group);
    },
    stop() {
      accepting.unsubscribe();
      transfers.stop();
      receiver.stop();
      store.close();
    },
  };
}
