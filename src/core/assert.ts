// Assertions stay on in production: a broken invariant must end the process before it writes anything.

export class AssertionError extends Error {
  override readonly name = 'AssertionError';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** @throws AssertionError when `condition` does not hold. `message` says what should have been true. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** A value that the surrounding logic guarantees to be there. */
export function present<T>(value: T | undefined | null, message: string): T {
  if (value === undefined || value === null) throw new AssertionError(message);
  return value;
}

/** The end of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected variant: ${JSON.stringify(value)}`);
}
