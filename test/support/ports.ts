// Free ports on the loopback, for servers that tests start.
//
// Two test files run at once, each in a process of its own, and each may ask several times: ports that are free just now may be
// another's a moment later. So they are given out in blocks, and who has a block listens on its first port until its process ends.
import { createServer, type Server } from 'node:net';

/** Below those that the system gives to outgoing connections: a server that is started again finds its port free. */
const FIRST = 20_000;
const BLOCK = 32;
const BLOCKS = 375;

/** A base such that base + 1 … base + count are free, and stay this process's. */
export async function freePortBase(count: number): Promise<number> {
  if (count >= BLOCK) throw new RangeError(`at most ${BLOCK - 1} ports at once, not ${count}`);
  for (let attempt = 0; attempt < 50; attempt++) {
    const base = FIRST + BLOCK * Math.floor(Math.random() * BLOCKS);
    const claim = await holdPort(base).catch(() => null);
    if (claim === null) continue;
    const free = await Promise.all(Array.from({ length: count }, (_, at) => isFree(base + at + 1)));
    if (free.every((yes) => yes)) return base;
    claim.close();
  }
  throw new Error(`no ${count} free ports in a row were found`);
}

/** Somebody else who listens there, until this process ends; it keeps no process open. */
export function holdPort(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer().unref();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

function isFree(port: number): Promise<boolean> {
  return holdPort(port).then(
    (server) => new Promise((resolve) => server.close(() => resolve(true))),
    () => false,
  );
}
