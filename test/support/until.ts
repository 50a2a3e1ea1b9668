// Waits for a condition, up to a deadline: what tests with real sockets and processes do in place of sleeping.

/** @throws Error naming `what` when the condition does not come true in time. */
export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  deadlineMs = 10_000,
): Promise<void> {
  const deadline = performance.now() + deadlineMs;
  for (let wait = 1; !(await condition()); wait = Math.min(50, wait * 2)) {
    if (performance.now() > deadline) throw new Error(`waited ${deadlineMs} ms in vain: ${what}`);
    await new Promise((resume) => setTimeout(resume, wait));
  }
}
