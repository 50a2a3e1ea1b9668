// What the simulator finds.

/** One of the rules of `checker.ts`, `clients.ts` or `liveness.ts` was broken. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly rule: string;

  constructor(rule: string, message: string) {
    super(`${rule}: ${message}`);
    this.rule = rule;
  }
}

/** @throws Violation when `condition` does not hold; the message is only made then. */
export function rule(name: string, condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new Violation(name, message());
}
