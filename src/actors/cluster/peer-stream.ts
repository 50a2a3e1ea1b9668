// One stream to or from another broker, from its opening to its end.
//
// Invariants
//   1. After it has ended, whoever ended it, nothing more is heard from it, and nothing said on it.
//   2. A stream whose other end does not say who it is in time ends.
import { Subscription } from 'rxjs';
import type { Millis } from '../../core/ids.ts';
import type { Clock } from '../../streams/clock.ts';
import type { PeerMessage } from '../../streams/envelope.ts';
import type { Wire } from '../../streams/wire.ts';

export interface PeerStream {
  /** Both sides know who the other is, and agree. */
  readonly greeted: boolean;
  greet(): void;
  send(message: PeerMessage): void;
  /** `ended` is not called. */
  end(): void;
}

export interface PeerStreamPorts {
  readonly wire: Wire<PeerMessage>;
  readonly clock: Clock;
  readonly helloTimeoutMs: Millis;
  readonly heard: (message: PeerMessage) => void;
  /** The other end closed it, it broke, or no hello came in time. */
  readonly ended: () => void;
}

export function openPeerStream({ wire, clock, helloTimeoutMs, heard, ended }: PeerStreamPorts): PeerStream {
  let greeted = false;
  let open = true;
  let opening = true;
  const inbox = new Subscription();
  const patience = clock.after(helloTimeoutMs, () => {
    close();
    ended();
  });

  function close(): void {
    open = false;
    patience.cancel();
    inbox.unsubscribe();
    wire.outbox.complete();
  }

  function over(): void {
    close();
    // A wire that is dead when it comes: whoever opens it does not hold it yet.
    if (opening) clock.defer(ended);
    else ended();
  }

  inbox.add(
    wire.inbox.subscribe({
      next: (message) => {
        if (open) heard(message);
      },
      error: over,
      complete: over,
    }),
  );
  opening = false;

  return {
    get greeted() {
      return greeted;
    },
    greet() {
      greeted = true;
      patience.cancel();
    },
    send(message) {
      if (open) wire.outbox.next(message);
    },
    end() {
      if (open) close();
    },
  };
}
