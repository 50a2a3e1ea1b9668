// Whether two brokers belong together: what each must find in the other's hello before anything else is said.
import type { ErrorCode } from '../../core/errors.ts';
import type { BrokerId, ClusterId } from '../../core/ids.ts';
import type { PeerHello } from '../../streams/envelope.ts';

export const PEER_PROTOCOL = 1;

export interface Objection {
  readonly code: ErrorCode;
  readonly reason: string;
}

export interface Expectation {
  /** What this broker itself says. */
  readonly mine: PeerHello;
  readonly members: ReadonlyMap<BrokerId, string>;
  /** Who was called; null when this broker was. */
  readonly called: BrokerId | null;
  /** The incarnation of the broker of that id to which a stream stands. */
  readonly connected: string | null;
}

/** Null: welcome. */
export function objectionTo(hello: PeerHello, { mine, members, called, connected }: Expectation): Objection | null {
  const self = mine.broker;
  const no = (reason: string, code: ErrorCode = 'FAILED_PRECONDITION'): Objection => ({ code, reason });
  if (hello.protocol !== mine.protocol)
    return no(`${hello.broker} speaks peer protocol ${hello.protocol}, ${self} speaks ${mine.protocol}`);
  if (hello.broker === self && hello.incarnation === mine.incarnation)
    return no(`${self} was called by itself: --peers gives ${called ?? 'another broker'} the address of ${self}`);
  if (hello.broker === self)
    return no(`two brokers have the id ${self}: ${mine.grpcAddress} and ${hello.grpcAddress}`, 'ALREADY_EXISTS');
  if (called !== null && hello.broker !== called)
    return no(`${called} was expected at ${members.get(called)}, not ${hello.broker}: check --peers`);
  if (!members.has(hello.broker))
    return no(`${hello.broker} is not among the peers of ${self}: ${[...members.keys()].join(', ')}`);
  if (differ(hello.cluster, mine.cluster))
    return no(`${hello.broker} belongs to cluster ${hello.cluster}, ${self} to cluster ${mine.cluster}`);
  if (connected !== null && connected !== hello.incarnation)
    return no(
      `two brokers have the id ${hello.broker}: one is connected to ${self} already, with another data directory`,
      'ALREADY_EXISTS',
    );
  if (hello.founding !== mine.founding)
    return no(`${hello.broker} and ${self} were started with different --peers, --shards or --replicas`);
  return null;
}

/** '' is: not known yet. */
function differ(a: ClusterId | '', b: ClusterId | ''): boolean {
  return a !== '' && b !== '' && a !== b;
}
