// One heartbeat per pair of brokers, for all the Raft groups that they share.
//
//   A ── pulse: seq 7, list 3: "I lead control in term 4, shard 9 in term 2" ──▶ B    who follows A in those, to the letter, does
//   A ◀── pulse: seq 9, heard: seq 7 of list 3, but not shard 9 ──────────────── B    not step their charts: it notes the time
//
// Of groups in which all is quiet no chart hears a pulse: it asks when it must know (LinkNews with its timer and with requests for
// votes; Vouched with a leader's beat), and a follower's is told when the pulses that vouched for its leader do so no more. Where the
// other side does not agree, the group beats by itself until it does.
//
// Invariants
//   1. Pulses speak of liveness only. What is committed, and reads, rest on messages of the groups themselves.
//   2. A broker vouches for a group only while its member follows the sender in the very term, and knows the commit index that it was
//      told. An answer counts from when the pulse that it answers was sent.
//   3. What was heard belongs to one stream of one process: when that ends, it vouches for nothing any more. But what it said until then
//      was said, like the last heartbeat before a silence: followers are told until when their leader was heard, and a leader's
//      followers have answered when they did. So a link that flaps costs no election, unless the hint of closed connections is on.
//   4. Time in which this process stood still is nobody's silence.
//   5. Brokers beat in step: each with the lowest of those that it hears, below itself. A process that is woken does most of its work
//      cold; so it is woken once for what would else wake it three times. Who has nobody to follow keeps its own time.
//   6. Who was told that a leader is watched is told, once, when it is not any more: well before the shortest election timeout of
//      silence is over, when the stream ends, and when the leader's list leaves the group out.
import { present } from '../../core/assert.ts';
import type { BrokerId, GroupId, LogIndex, Millis, Term } from '../../core/ids.ts';
import type { LinkNews, Vouched } from '../../machines/raft/events.ts';
import { arrived, type FailureDetector, newDetector, patience } from '../../machines/raft/failure-detector.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { Pulse, PulseLine } from '../../streams/envelope.ts';
import type { Random } from '../../streams/random.ts';
import type { RaftGroup } from '../raft-group.ts';
import { createStalls } from './stalls.ts';

export interface Pulses {
  /** There is a stream to this broker. */
  opened(peer: BrokerId): void;
  closed(peer: BrokerId): void;
  receive(from: BrokerId, pulse: Pulse): void;
  /** When the leader was last heard, by the group itself (`heardAt`) or by a pulse. */
  news(leader: BrokerId, group: GroupId, term: Term, heardAt: Millis): LinkNews;
  stop(): void;
}

export interface PulsesPorts {
  readonly self: BrokerId;
  readonly groups: ReadonlyMap<GroupId, RaftGroup>;
  readonly clock: Clock;
  readonly random: Random;
  readonly heartbeatMs: Millis;
  /** Well before so long a silence is over, followers are told of it. */
  readonly electionMinMs: Millis;
  /** A silence that lasted longer ended in an election: as a sign of what is usual it counts as this long. */
  readonly electionMaxMs: Millis;
  readonly send: (to: BrokerId, pulse: Pulse) => void;
}

interface Link {
  open: boolean;
  // What is said.
  lines: readonly PulseLine[];
  version: number;
  /** The list that the other side is known to have; 0: none. */
  confirmed: number;
  /** The last list that it had, and when it last vouched for what is in it. */
  vouchedLines: { readonly version: number; readonly lines: readonly PulseLine[] };
  vouchedAt: Millis;
  /** Groups for which it does not vouch, and when it last did. */
  refused: ReadonlyMap<GroupId, Millis>;
  // What was heard.
  session: number;
  seq: number;
  heardVersion: number;
  heardLines: readonly PulseLine[];
  heardTerms: ReadonlyMap<GroupId, Term>;
  heardAt: Millis;
  /** The groups were told that it is silent, since it was last heard. */
  silent: boolean;
  refusing: readonly GroupId[];
  detector: FailureDetector;
}

/** An answer to an older pulse than this many is none. */
const REMEMBERED = 64;
/** Two for the way there and back, each up to an interval late. */
const VOUCHED_FOR_INTERVALS = 4;
/** Who follows another's beat waits a little longer for it than it takes, and beats by itself if it does not come. */
const FOLLOWING = 1.1;
const NEVER: Millis = Number.NEGATIVE_INFINITY;
const SESSIONS = 0x7fff_ffff;

const newLink = (): Link => ({
  open: false,
  lines: [],
  version: 1,
  confirmed: 0,
  vouchedAt: NEVER,
  vouchedLines: { version: 0, lines: [] },
  refused: new Map(),
  ...nothingHeard(),
  detector: newDetector,
});
const nothingHeard = () => ({
  session: 0,
  seq: 0,
  heardVersion: 0,
  heardLines: [],
  heardTerms: new Map<GroupId, Term>(),
  heardAt: NEVER,
  silent: true,
  refusing: [],
});

export function createPulses(ports: PulsesPorts): Pulses {
  const { self, groups, clock, heartbeatMs, electionMinMs, electionMaxMs } = ports;
  const links = new Map<BrokerId, Link>();
  const stalls = createStalls(heartbeatMs / 2);
  const session = ports.random.integer(1, SESSIONS);
  const sentAt = new Float64Array(REMEMBERED);
  let seq = 0;
  let stopped = false;
  let dueAt = clock.monotonic() + heartbeatMs;
  let timer: Timer = clock.after(heartbeatMs, tick);

  function linkTo(peer: BrokerId): Link {
    let link = links.get(peer);
    if (link === undefined) {
      link = newLink();
      links.set(peer, link);
    }
    return link;
  }

  function tick(): void {
    const at = clock.monotonic();
    const stalledMs = stalls.ticked(dueAt, at);
    const wait = pacemaker() === null ? heartbeatMs : heartbeatMs * FOLLOWING;
    dueAt = at + wait;
    timer = clock.after(wait, tick);
    for (const [peer, link] of links) if (!link.silent && isSilent(link, at)) fallSilent(peer, link);
    const patient = Math.max(0, ...[...links.values()].map(({ detector }) => patience(detector, at)));
    for (const group of groups.values()) {
      group.beat({ vouched: (peer, term) => vouched(peer, group.id, term, at), stalledMs, patience: patient });
    }
    seq++;
    sentAt[seq % REMEMBERED] = at;
    for (const [peer, link] of links) if (link.open) ports.send(peer, pulseFor(peer, link));
  }

  /** The one whose beat this broker's goes with. */
  function pacemaker(): BrokerId | null {
    let lowest = self;
    for (const [peer, link] of links) if (link.open && !link.silent && peer < lowest) lowest = peer;
    return lowest === self ? null : lowest;
  }

  // ---------------------------------------------------------------- what is said

  function pulseFor(peer: BrokerId, link: Link): Pulse {
    const lines: PulseLine[] = [];
    const commits: LogIndex[] = [];
    for (const [group, member] of groups) {
      const claim = member.claimTo(peer);
      if (claim === null) continue;
      lines.push({ group, term: claim.term });
      commits.push(claim.commit);
    }
    if (!areEqual(lines, link.lines)) {
      link.lines = lines;
      link.version++;
    }
    const { version, confirmed } = link;
    return {
      kind: 'pulse',
      session,
      seq,
      version,
      lines: confirmed === version ? null : lines,
      commits,
      heard:
        link.session === 0
          ? null
          : { session: link.session, seq: link.seq, version: link.heardVersion, refused: link.refusing },
    };
  }

  /** What the peer's last answer says of a group that is led here. */
  function vouched(peer: BrokerId, group: GroupId, term: Term, at: Millis): Vouched | null {
    const link = links.get(peer);
    if (link?.vouchedLines.lines.some((line) => line.group === group && line.term === term) !== true) return null;
    const { vouchedAt, confirmed, version } = link;
    const refusedAfter = link.refused.get(group);
    if (refusedAfter !== undefined) return refusedAfter === NEVER ? null : { at: refusedAfter, now: false };
    // Other groups have come or gone, and what is said of them is on its way: that is nobody's silence.
    return { at: vouchedAt, now: confirmed === version && at - vouchedAt < VOUCHED_FOR_INTERVALS * heartbeatMs };
  }

  // ---------------------------------------------------------------- what is heard

  function receive(from: BrokerId, pulse: Pulse): void {
    if (stopped) return;
    const link = linkTo(from);
    const { heardAt, heardTerms: before } = link;
    const at = clock.monotonic();
    const isUnknown = pulse.lines === null && pulse.session === link.session;
    if (pulse.session !== link.session) Object.assign(link, nothingHeard(), { session: pulse.session });
    else if (pulse.seq <= link.seq) return;
    noteArrival(link, at);
    link.seq = pulse.seq;
    if (pulse.lines !== null) {
      link.heardVersion = pulse.version;
      link.heardLines = pulse.lines;
      link.heardTerms = new Map(pulse.lines.map(({ group, term }) => [group, term]));
    } else if (pulse.version !== link.heardVersion) {
      Object.assign(link, { heardVersion: 0, heardLines: [], heardTerms: new Map() });
    }
    if (link.heardTerms !== before) {
      const until = isUnknown ? withoutStalls(heardAt, at) : NEVER;
      for (const [group, term] of before)
        if (link.heardTerms.get(group) !== term) groups.get(group)?.linkSilent(from, term, until);
    }
    link.refusing = link.heardLines
      .filter(({ group, term }, at) => groups.get(group)?.follows(from, term, pulse.commits[at] ?? 0) !== true)
      .map(({ group }) => group);
    noteAnswer(link, pulse.heard);
    if (dueAt - at > heartbeatMs / 2 || from !== pacemaker()) return;
    timer.cancel();
    tick();
  }

  function noteArrival(link: Link, at: Millis): void {
    if (link.heardAt !== NEVER) {
      const gap = at - link.heardAt - stalls.within(link.heardAt, at, dueAt);
      link.detector = arrived(link.detector, gap, at, electionMaxMs);
    }
    link.heardAt = at;
    link.silent = false;
  }

  /** Half of the shortest timeout: a tick later is still early enough. */
  function isSilent({ heardAt }: Link, at: Millis): boolean {
    return at - heardAt - stalls.within(heardAt, at, dueAt) >= electionMinMs / 2;
  }

  function fallSilent(peer: BrokerId, link: Link): void {
    link.silent = true;
    const until = withoutStalls(link.heardAt, clock.monotonic());
    for (const [group, term] of link.heardTerms) groups.get(group)?.linkSilent(peer, term, until);
  }

  /** Since then all is silent, without the time in which this process stood still. */
  function withoutStalls(heardAt: Millis, at: Millis): Millis {
    return heardAt === NEVER ? NEVER : heardAt + stalls.within(heardAt, at, dueAt);
  }

  function noteAnswer(link: Link, heard: Pulse['heard']): void {
    if (heard === null || heard.session !== session || heard.seq <= seq - REMEMBERED || heard.seq > seq) return;
    link.confirmed = heard.version;
    const before = link.vouchedLines;
    if (heard.version === link.version && heard.version !== before.version)
      link.vouchedLines = { version: link.version, lines: link.lines };
    const { version, lines } = link.vouchedLines;
    if (heard.version !== version) return;
    const { vouchedAt, refused } = link;
    const lastVouched = (group: GroupId): Millis => {
      const term = lines.find((line) => line.group === group)?.term;
      const wasListed = before.lines.some((line) => line.group === group && line.term === term);
      return wasListed ? (refused.get(group) ?? vouchedAt) : NEVER;
    };
    link.refused = new Map(heard.refused.map((group) => [group, lastVouched(group)]));
    link.vouchedAt = present(sentAt[heard.seq % REMEMBERED], 'each remembered pulse has its time');
  }

  return {
    opened(peer) {
      linkTo(peer).open = true;
    },
    closed(peer) {
      const link = linkTo(peer);
      const { version, detector, vouchedAt, vouchedLines, refused } = link;
      links.set(peer, { ...newLink(), version, detector, vouchedAt, vouchedLines, refused });
      const until = withoutStalls(link.heardAt, clock.monotonic());
      for (const [group, term] of link.heardTerms) groups.get(group)?.linkSilent(peer, term, until);
    },
    receive,
    news(leader, group, term, heardAt) {
      const at = clock.monotonic();
      const link = links.get(leader);
      const vouches = link?.heardTerms.get(group) === term;
      const last = vouches ? Math.max(heardAt, link.heardAt) : heardAt;
      return {
        heardAt: withoutStalls(last, at),
        patience: link === undefined ? 0 : patience(link.detector, at),
        watched: vouches && !link.silent,
      };
    },
    stop() {
      stopped = true;
      timer.cancel();
    },
  };
}

function areEqual(left: readonly PulseLine[], right: readonly PulseLine[]): boolean {
  return (
    left.length === right.length &&
    left.every(({ group, term }, at) => group === right[at]?.group && term === right[at].term)
  );
}
