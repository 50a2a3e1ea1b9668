// Is an address free to listen on? Asked before anything is written, so that a taken port leaves nothing half begun.
import { createServer } from 'node:net';
import { splitAddress } from '../actors/transports/http-server.ts';
import { VedetteError } from '../core/errors.ts';

/** @throws VedetteError FAILED_PRECONDITION naming the port and the flag that moves it. */
export function checkFree(address: string, flag: string): Promise<void> {
  const { host, port } = splitAddress(address);
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'is in use' : `cannot be used (${error.message})`;
      const message = `port ${port} (${address}) ${reason}; choose another with --${flag}`;
      reject(new VedetteError('FAILED_PRECONDITION', message, { field: flag }));
    });
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}
