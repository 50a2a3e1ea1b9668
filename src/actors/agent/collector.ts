// What an agent samples. A collector is a port: the real one reads the kernel's files, a synthetic one plays many hosts.
import type { SeriesDefinition } from '../../core/frame.ts';
import type { Millis } from '../../core/ids.ts';

/** All metrics of a host at one instant. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly timestamp: Millis;
  /** The same array as in the sample before as long as the set of series is the same. */
  readonly series: readonly SeriesDefinition[];
  /** As many as there are series; NaN: not known this time. */
  readonly values: Float64Array;
}

export interface Collector {
  /** Takes the host's present values. Synchronous and quick (well under a millisecond): the sample's time is the call's. */
  collect(timestamp: Millis): Sample;
  close(): void;
}
