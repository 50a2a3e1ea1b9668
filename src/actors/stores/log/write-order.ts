// Writes become durable in the order in which they were added: so "all that was added by now" is a number.

export interface WriteOrder {
  added(): void;
  settled(): void;
  /** Calls back when all that was added is durable: at once when it is. */
  whenDurable(done: () => void): void;
}

export function createWriteOrder(): WriteOrder {
  let added = 0;
  let settled = 0;
  const waiting: { readonly number: number; readonly done: () => void }[] = [];
  return {
    added() {
      added++;
    },
    settled() {
      settled++;
      while ((waiting[0]?.number ?? Number.POSITIVE_INFINITY) <= settled) waiting.shift()?.done();
    },
    whenDurable(done) {
      if (settled === added) done();
      else waiting.push({ number: added, done });
    },
  };
}
