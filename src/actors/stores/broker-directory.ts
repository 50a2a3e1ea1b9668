// A broker's directory: whose it is, and its log, which is locked for as long as that is open.
//
//   identity.json ──▶ the log, with its lock ──▶ identity.json once more
//
// It is looked at first because another broker's directory is not touched, and to open a log is to tidy it. Only what is read under
// the lock counts: before that the directory may have been recovered (cluster/recovery.ts), and be of another cluster since.
import type { BrokerId } from '../../core/ids.ts';
import { type Beginning, type Identity, openIdentity, type RecoverableIdentity } from './identity.ts';
import type { BrokerLog } from './log.ts';
import { type LogStorePorts, openLog } from './log-store.ts';

export interface BrokerDirectory {
  readonly identity: RecoverableIdentity;
  readonly log: BrokerLog;
}

/**
 * @param mintIncarnation for a new directory.
 * @param check what else must be so of it: asked before anything in it is touched, and again under the lock.
 * @throws VedetteError FAILED_PRECONDITION: it is another broker's, or in use; DATA_LOSS: it is damaged.
 */
export function openBrokerDirectory(
  ports: LogStorePorts,
  self: BrokerId,
  beginning: Beginning,
  mintIncarnation: () => string,
  check: (identity: Identity) => void = () => {},
): BrokerDirectory {
  const { disk, directory } = ports;
  const whose = () => {
    const opened = openIdentity(disk, directory, self, beginning, mintIncarnation);
    check(opened.identity);
    return opened;
  };
  whose();
  const log = openLog({ ...ports, directory: `${directory}/log` });
  try {
    return { identity: whose(), log };
  } catch (error) {
    log.close(() => {});
    throw error;
  }
}
