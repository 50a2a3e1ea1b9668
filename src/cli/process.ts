// What every long-running command does as a process: says things, waits for a signal, follows its supervisor.
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { packageRoot } from '../actors/package-root.ts';
import type { ProcessFigures } from '../actors/prometheus.ts';
import { describeError, VedetteError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { inSources } from './source-places.ts';

export function randomName(bytes = 8): string {
  return randomBytes(bytes).toString('hex');
}

/** As in package.json. */
export function programVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('package.json', packageRoot), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '';
}

export function processFigures(): ProcessFigures {
  const { user, system } = process.cpuUsage();
  return {
    residentBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1e6,
    uptimeSeconds: process.uptime(),
  };
}

/** Lines for people, on stderr; stdout is for what was asked for. */
export function say(message: string): void {
  process.stderr.write(`${new Date().toISOString()} ${message}\n`);
}

/** A line that programs wait for. A supervisor is told over its channel, too. */
export function announce(line: string): void {
  process.stdout.write(`${line}\n`);
  if (process.connected) process.send?.({ ready: true });
}

/** Called once, before anything else. */
export function prepareProcess(): void {
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  // Whoever reads what we print may stop reading: that is no reason to end.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {});
  if (!isSupervised()) return;
  // From a terminal these reach the whole group of processes: it is the supervisor's to say who ends, and when.
  for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => {});
}

const isSupervised = (): boolean => process.env['VEDETTE_SUPERVISED'] === '1' && process.send !== undefined;

/** Resolves when the process is to stop: by a signal, or since its supervisor is gone. Nothing is left behind: what has not ended by
 *  then, a while later, is ended by force; so is what a person asks twice. */
export function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (reason: string) => {
      // A signal to the whole group of processes comes twice: from whoever sent it, and from the supervisor.
      if (stopping && reason !== 'SIGINT') return;
      if (stopping) byForce('asked twice');
      stopping = true;
      resolve(reason);
      const patience = limits.supervisor.stopPatienceMs;
      setTimeout(() => byForce(`it has not ended within ${patience / 1000} s`), patience).unref();
    };
    const signals = isSupervised() ? (['SIGTERM'] as const) : (['SIGINT', 'SIGTERM', 'SIGHUP'] as const);
    for (const signal of signals) process.on(signal, () => stop(signal));
    if (!isSupervised()) return;
    if (process.connected) process.once('disconnect', () => stop('the supervisor is gone'));
    else stop('the supervisor is gone');
  });
}

function byForce(why: string): never {
  say(`ended by force: ${why}`);
  process.exit(1);
}

/** Errors of the person who typed, or of the place it was started in; everything else is ours. */
const USAGE = new Set(['INVALID_ARGUMENT', 'FAILED_PRECONDITION']);

export function fail(error: unknown): never {
  const usage = error instanceof VedetteError && USAGE.has(error.code);
  const detail =
    error instanceof Error && !(error instanceof VedetteError)
      ? inSources(error.stack ?? error.message)
      : describeError(error);
  process.stderr.write(`vedette: ${detail}\n`);
  process.exit(usage ? 2 : 1);
}
