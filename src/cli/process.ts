// What every long-running command does as a process: says things, waits for a signal, follows its supervisor.
import { randomBytes } from 'node:crypto';
import { describeError, VedetteError } from '../core/errors.ts';

export function randomName(bytes = 8): string {
  return randomBytes(bytes).toString('hex');
}

/** Lines for people, on stderr; stdout is for what was asked for. */
export function say(message: string): void {
  process.stderr.write(`${new Date().toISOString()} ${message}\n`);
}

/** A line that programs wait for. A supervisor is told over its channel, too. */
export function announce(line: string): void {
  process.stdout.write(`${line}\n`);
  if (process.send !== undefined) process.send({ ready: true });
}

/** Resolves on SIGINT, SIGTERM, or when the supervisor is gone: nothing is left behind. */
export function stopSignal(): Promise<string> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve('SIGINT'));
    process.once('SIGTERM', () => resolve('SIGTERM'));
    if (process.send !== undefined) process.once('disconnect', () => resolve('the supervisor is gone'));
  });
}

/** Errors of the person who typed, or of the place it was started in; everything else is ours. */
const USAGE = new Set(['INVALID_ARGUMENT', 'FAILED_PRECONDITION']);

export function fail(error: unknown): never {
  const usage = error instanceof VedetteError && USAGE.has(error.code);
  const detail =
    usage || error instanceof VedetteError
      ? describeError(error)
      : error instanceof Error
        ? (error.stack ?? error.message)
        : String(error);
  process.stderr.write(`vedette: ${detail}\n`);
  process.exit(usage ? 2 : 1);
}
