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
  /** Of the broker of that id to which a stream stands, on which something was heard lately. */
  readonly connected: Pick<PeerHello, 'incarnation' | 'boot'> | null;
}

/** What may yet pass: the caller is told, and comes again. */
export const PASSING: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'NOT_FOUND', 'RESOURCE_EXHAUSTED']);

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
  if (differ(hello.cluster, mine.cluster))
    return no(`${hello.broker} belongs to cluster ${hello.cluster}, ${self} to cluster ${mine.cluster}`);
  const inCluster = hello.cluster !== '' && hello.cluster === mine.cluster;
  // Who knows the newer list of members is right: it calls, or was called, as a member of that.
  const knowsBetter = hello.membersAt > mine.membersAt && (inCluster || mine.cluster === '');
  if (!members.has(hello.broker) && !knowsBetter) {
    // One may have agreed on it that the other has not heard of yet.
    if (inCluster) return no(`${hello.broker} is no member of the cluster, as far as ${self} knows`, 'NOT_FOUND');
    return no(`${hello.broker} is not among the peers of ${self}: ${[...members.keys()].join(', ')}`);
  }
  if (connected !== null && connected.incarnation !== hello.incarnation)
    return no(
      `two brokers have the id ${hello.broker}: one is connected to ${self} already, with another data directory`,
      'ALREADY_EXISTS',
    );
  // An earlier process of the same directory, whose end has not been noticed yet; or a copy of the directory.
  if (connected !== null && connected.boot !== hello.boot)
    return no(
      `another process is connected to ${self} as ${hello.broker}, with the same data directory or a copy of it`,
      'UNAVAILABLE',
    );
  if (hello.founding !== mine.founding && !inCluster)
    return no(`${hello.broker} and ${self} were started with different --peers, --shards or --replicas`);
  const agreed = members.get(hello.broker) ?? '';
  if (agreed !== '' && agreed !== hello.grpcAddress)
    return no(
      `${hello.broker} is known to ${self} at ${agreed}, not at ${hello.grpcAddress}: is its data directory a copy?`,
      'ALREADY_EXISTS',
    );
  return null;
}

/** '' is: not known yet. */
function differ(a: ClusterId | '', b: ClusterId | ''): boolean {
  return a !== '' && b !== '' && a !== b;
}
