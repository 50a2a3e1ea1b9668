// A wire between two ends: what goes into the outbox of one comes out of the inbox of the other, in order, at most once, each
// message whole. It may be lost with the link; whoever needs more (Raft, sessions) brings its own acknowledgements.
import type { Observable, Observer } from 'rxjs';

export interface Wire<In, Out = In> {
  /** Hot. Completes when the other end closed, errors (with a VedetteError) when the link broke. */
  readonly inbox: Observable<In>;
  /** `next` never throws; after the link is gone it drops. `complete` closes this end. */
  readonly outbox: Observer<Out>;
}
