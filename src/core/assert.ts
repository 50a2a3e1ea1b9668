// Assertions stay on in production: a broken invariant must end the process before it writes anything.

export class AssertionError extends Error {
  override readonly name = 'AssertionError';

  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
  }
}

/** What should have been true. One that is put together is a function: most asserts hold, many of them very often. */
type Message = string | (() => string);

const said = (message: Message): string => (typeof message === 'string' ? message : message());

/** @throws AssertionError when `condition` does not hold. */
export function assert(condition: boolean, message: Message): asserts condition {
  if (!condition) throw new AssertionError(said(message));
}

/** A value that the surrounding logic guarantees to be there. */
export function present<T>(value: T | undefined | null, message: Message): T {
  if (value === undefined || value === null) throw new AssertionError(said(message));
  return value;
}

/** The end of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new AssertionError(`unexpected variant: ${JSON.stringify(value)}`);
}
