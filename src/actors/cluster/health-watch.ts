// Looks at the broker's health when it may have changed: at once when a group's leader or part is another one, and from time to time,
// since the log's end and what is applied are not told.
import type { Observable } from 'rxjs';
import { limits } from '../../core/limits.ts';
import type { Clock, Timer } from '../../streams/clock.ts';

const { unreadyEveryMs, readyEveryMs } = limits.health;

/** @param look tells whether all is well. */
export function watchHealth(clock: Clock, changes: Observable<unknown>, look: () => boolean): Timer {
  let stopped = false;
  let noticed = false;
  let timer = clock.after(unreadyEveryMs, check);

  function check(): void {
    timer.cancel();
    const wait = look() ? readyEveryMs : unreadyEveryMs;
    if (!stopped) timer = clock.after(wait, check);
  }

  /** Many groups change in one turn. */
  const watching = changes.subscribe(() => {
    if (noticed) return;
    noticed = true;
    clock.defer(() => {
      noticed = false;
      if (!stopped) check();
    });
  });

  return {
    cancel() {
      stopped = true;
      watching.unsubscribe();
      timer.cancel();
    },
  };
}
