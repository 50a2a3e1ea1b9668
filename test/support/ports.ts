// Free ports on the loopback, for servers that tests start.
import { createServer } from 'node:net';

/** A base such that base + 1 … base + count are free just now. */
export async function freePortBase(count: number): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    // Below those that the system gives to outgoing connections: a server that is started again finds its port free.
    const base = 20_000 + Math.floor(Math.random() * 12_000);
    const free = await Promise.all(Array.from({ length: count }, (_, at) => isFree(base + at + 1)));
    if (free.every((yes) => yes)) return base;
  }
  throw new Error(`no ${count} free ports in a row were found`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
