// Loaded into every test's process: asked by SIGUSR2, it names what keeps the process open.
import { ChildProcess } from 'node:child_process';
import { Server, Socket } from 'node:net';

process.on('SIGUSR2', () => {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const list = [...counts].map(([kind, count]) => `${kind} × ${count}`);
  process.stderr.write(`\nstill open: ${[...list, ...handles()].join(', ') || 'nothing that Node knows of'}\n`);
});

/** More than their kind: which port, which peer, which program. Node tells handles only through a name that is not documented. */
function handles(): string[] {
  const list: unknown = '_getActiveHandles' in process ? Reflect.apply(getter(), process, []) : [];
  return Array.isArray(list) ? list.flatMap((handle: unknown) => describe(handle) ?? []) : [];
}

function getter(): () => unknown {
  const found: unknown = Reflect.get(process, '_getActiveHandles');
  return typeof found === 'function' ? (found as () => unknown) : () => [];
}

function describe(handle: unknown): string | undefined {
  if (handle instanceof Server) return `a server on ${JSON.stringify(handle.address())}`;
  if (handle instanceof ChildProcess) return `process ${handle.pid}: ${handle.spawnargs.join(' ')}`;
  if (handle instanceof Socket && handle.remoteAddress !== undefined)
    return `a connection ${handle.localPort} → ${handle.remoteAddress}:${handle.remotePort}`;
  return undefined;
}
