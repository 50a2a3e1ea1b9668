// Everything has a limit (law 7). One place, so that related limits can be checked against each other at start; what happens
// at each limit is said beside it.
import { assert } from './assert.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

export const limits = {
  /** Raft. */
  raft: {
    /** Payload of one entry. A larger proposal is refused with INVALID_ARGUMENT. */
    entryBytesMax: 1 * MIB,
    /** Payload bytes of one append message; a single larger entry still travels, alone. */
    appendBytesMax: 512 * KIB,
    /** Append messages under way to one peer. At the limit the leader waits for a reply. */
    inflightMax: 64,
    /** Payload bytes under way to one peer. */
    inflightBytesMax: 4 * MIB,
    /** Payload bytes appended by a leader but not committed. Further proposals are refused with RESOURCE_EXHAUSTED. */
    uncommittedBytesMax: 32 * MIB,
    /** Payload bytes, and entries, applied in one turn of the loop. */
    applyBytesMax: 1 * MIB,
    applyEntriesMax: 1024,
    /** Entries of one `propose` event and its write; more proposals of one turn become several. */
    proposeEntriesMax: 256,
    /** While proposals are on their way the next ones gather for so long, or until they are so many bytes. */
    gatherMs: 2,
    gatherBytes: 256 * KIB,
    /** A follower that lacks no more of what is committed keeps up. */
    nearlyEntries: 256,
    /** Bytes that wait for the disk, of all groups of a broker. At the limit proposals are refused with RESOURCE_EXHAUSTED. */
    pendingWriteBytesMax: 64 * MIB,
    /** A leader whose disk has had a write under way for so long gives up leadership. */
    diskPatienceMs: 2_000,
    /** A read that was asked of the leader, and a transfer of leadership, end without an answer after so many election timeouts. */
    answerTimeouts: 2,
    /** Linearizable reads that wait, per group. At the limit they are refused with RESOURCE_EXHAUSTED. */
    readsMax: 10_000,
  },
  /** The log store of a broker. */
  log: {
    /** A segment that has grown to this is followed by a new one. */
    segmentBytes: 64 * MIB,
    /** Payload bytes in one batch, that is, per sync; what is more waits for the next. */
    batchBytesMax: 8 * MIB,
    /** Zeros written ahead of the batches, so that a sync need not record that the file has grown; 0: none. */
    preallocateBytes: 1 * MIB,
    /** Payload bytes of the newest entries kept in memory; older ones are read from disk. */
    cacheBytes: 64 * MIB,
    /** How many segments may be there beside twice what the groups have in the log, before entries are copied out of the oldest. */
    spareSegments: 4,
    /** Payload bytes of one copy, roughly: others' writes wait for no more. */
    copyBytes: 1 * MIB,
    /** All segments together; at the limit proposals are refused with RESOURCE_EXHAUSTED. */
    bytesMax: 20 * 1024 * MIB,
    /** Free bytes on the disk below which proposals are refused, so that what was taken can still be written. */
    reserveBytes: 256 * MIB,
    /** How often the free space is looked at, at most. */
    freeCheckMs: 1_000,
  },
  /** Snapshots of a group's state, and what they let leave its log. */
  snapshots: {
    /** Payload bytes applied since the last one, or as many as the last one had where that is more: another is taken. */
    everyBytes: 32 * MIB,
    /** Of the log behind what is applied, for those who follow it: younger entries stay, … */
    horizonMs: 15 * 60 * 1000,
    /** … as long as they are no more than this, … */
    tailBytesMax: 128 * MIB,
    /** … and so much always stays, for members that were away for a moment. */
    tailBytesMin: 1 * MIB,
    /** Payload of one chunk, about; one row of a host may be larger. */
    chunkBytes: 256 * KIB,
    /** Chunks under way to one receiver: what both of them hold in memory. */
    windowChunks: 4,
    /** Snapshots that a broker sends, and receives, at once; more wait for their turn. */
    sendsMax: 2,
    receivesMax: 2,
    /** A receiver, or a sender, that is silent for this long is given up. */
    patienceMs: 10_000,
    /** What arrived of one is kept for this long, for the next attempt to go on from. */
    partialMs: 60_000,
  },
  /** What a host may report. A frame past one of these is rejected with `over_limit`, `too_old` or `too_far_in_future`. */
  frames: {
    rowsPerFrameMax: 10_000,
    seriesPerHostMax: 2_000,
    /** The names, labels and units of a frame's series together. */
    seriesBytesMax: 352 * KIB,
    labelsMax: 32,
    labelValueMax: 1_000,
    /** Ahead of the broker's clock. */
    futureMaxMs: 5 * 60 * 1000,
    /** Behind the broker's clock. */
    pastMaxMs: 24 * 60 * 60 * 1000,
  },
  /** A shard's replica. */
  shard: {
    /** While an entry is on its way, rows gather for this long, or up to this many bytes, before the next one. */
    batchMs: 10,
    batchBytes: 256 * KIB,
    /** Bytes of rows that wait to be proposed. More are refused with RESOURCE_EXHAUSTED. */
    waitingBytesMax: 16 * MIB,
    /** Rows whose outcome is not known by then end as unknown, for those who wait for them. */
    proposalTimeoutMs: 5_000,
    /** Until then an entry whose outcome is open is remembered, so that its rows are not proposed a second time. */
    settleTimeoutMs: 24 * 60 * 60 * 1000,
    /** How often the time a host was last seen is replicated while its state stays the same. */
    lastSeenEveryMs: 30_000,
    /** Entries between two remembered stamps: how finely a time is found in the log. */
    stampEvery: 16,
    /** Stamps remembered; at the limit every other one is forgotten, and they are noted half as often. */
    stampsMax: 4_096,
    /** Bytes of entries read back from the log at once, for subscribers that are behind. */
    readBackBytes: 1 * MIB,
  },
  /** Subscriptions at a broker. */
  subscriptions: {
    /** Open at once; one more is refused with RESOURCE_EXHAUSTED. */
    perBrokerMax: 2_000,
    /** Names or globs in one request, of hosts and of metrics each; more are refused with INVALID_ARGUMENT. */
    patternsMax: 200,
    /** Rows that come within this time go in one message. */
    gatherMs: 10,
    /** About as many bytes in one message; a single larger entry of the log goes alone, undivided: a cursor covers whole entries. */
    responseBytes: 256 * KIB,
    /** Bytes that one subscription takes in one turn of the loop; then others have theirs. */
    turnBytes: 1 * MIB,
    /** Of a shard's newest entries, kept for all subscribers that keep up; who falls behind them reads the log. */
    tailBytes: 1 * MIB,
    /** Bytes read from the log at once, per shard, and shards that one subscription reads at once. */
    readBytes: 256 * KIB,
    readsMax: 4,
    /** Bytes that wait for one subscriber: newest rows under LATEST, other brokers' answers. At the limit it ends with RESOURCE_EXHAUSTED. */
    bufferedBytesMax: 16 * MIB,
    /** Answers of another broker that wait before it is held back. */
    remoteBytes: 256 * KIB,
    /** How often a live subscription looks at all its shards, not only at those with news: idle ones move its cursor, too. */
    lookEveryMs: 1_000,
    /** A stream with nothing to say tells its cursor this often. */
    signOfLifeMs: 5_000,
    /** Brokers asked for a part have this long to answer before the rest begins without them. */
    openPatienceMs: 1_000,
    /** A LATEST subscriber that is held back this long after it began gets the newest rows instead of those in between. */
    catchUpPatienceMs: 10_000,
    /** How far back `backfill_ms` reaches; beyond it a gap is told. */
    horizonMs: 15 * 60 * 1000,
    /**
     * How far brokers' clocks, and a replica behind its leader, may be apart: where "now" has to be found by time, and for what a
     * cursor says of the time it covers.
     */
    skewMs: 2_000,
    rateHzMax: 1_000,
    /** Reads of the log that may fail in a row before the stream ends with UNAVAILABLE: another broker can serve it. */
    readFailuresMax: 5,
    readRetryMs: 100,
    /** Between attempts to go on at another replica. */
    retryBaseMs: 20,
    retryMaxMs: 1_000,
  },
  /** Queries at a broker. */
  queries: {
    /** Rows in one answer; what is more comes with the next page. */
    rowsMax: 10_000,
    /** Values in one answer (2 MB: within the 4 MB that gRPC clients take unless told otherwise); the page ends early. */
    valuesMax: 250_000,
    /** Hosts in one answer. */
    hostsMax: 1_000,
    /** Names or globs in one request, of hosts and of metrics each. */
    patternsMax: 1_000,
    /** A call is given up after this; just below what dashboards wait. */
    deadlineMs: 1_800,
    /** One attempt at one broker: a leader that hangs must not take all the time there is. */
    attemptMs: 700,
    /** A leader without a quorum is given up after this: well before the broker that asked it gives up. */
    confirmMs: 400,
    /** Between attempts to reach a shard's leader. */
    retryMs: 25,
    /** A list of hosts waits this long for shards that do not answer; then it says which are missing. */
    listMs: 1_000,
    /** Shards whose leadership is confirmed at once for one call. */
    readsMax: 16,
  },
  /** The processes of `vedette up`. */
  supervisor: {
    /** A process that has run this long is forgiven its earlier deaths. */
    steadyMs: 10_000,
    /** A process that does not end within this when asked is killed. */
    graceMs: 5_000,
    /** Of that: a broker that stops hands over what it leads for so long at most; and calls that are under way may end within this. */
    handOverMs: 2_000,
    callsMs: 500,
    /** Between a death and the next start. */
    restartBaseMs: 100,
    restartMaxMs: 10_000,
    /** So long a dead broker is left dead, while the others take over. */
    takeOverMs: 1_000,
    /** A process that was asked to stop, and is still there after this, ends itself without more ado. */
    stopPatienceMs: 10_000,
    /** A process's log file that has grown to this is renamed to `.1`, in place of the one before it. */
    logBytesMax: 8 * MIB,
    /** Of what a process said last, told when it dies. */
    lastWordsLines: 5,
  },
  health: {
    /** How often a broker looks whether it may be sent work, beside the moments when that is likely to change. */
    unreadyEveryMs: 100,
    readyEveryMs: 500,
    /** Who is told of each change by the standard health service; more are refused. */
    watchersMax: 256,
  },
  /** Links between brokers. */
  peers: {
    /** Nothing heard for this long: suspect. */
    suspectAfterMs: 3_000,
    /** Nothing heard, or no stream, for this long: down. */
    downAfterMs: 10_000,
    /** How often silence is looked at. */
    tickMs: 500,
    /** What each tells the other at least this often, so that silence means something. */
    beatMs: 1_000,
    /** Between attempts to dial, or to knock. */
    redialBaseMs: 20,
    redialMaxMs: 500,
    /** Up for this long: earlier failures are forgotten. */
    steadyAfterMs: 2_000,
    /** A stream on which no hello came by then is ended. */
    helloTimeoutMs: 5_000,
    /** What may pass (not known as a member yet; an earlier process still connected) is taken for an answer when it lasts this long. */
    refusalPatienceMs: 10_000,
    /** Streams of callers that have not said who they are; one more is refused. */
    strangersMax: 64,
    /** Payload bytes of Raft messages in one frame; what is more goes in further ones. A single larger message goes alone. */
    frameBytes: 1 * MIB,
    /** Payload bytes of Raft messages for one peer in one turn of the loop. More are dropped, and counted: Raft sends again. */
    outboxBytesMax: 32 * MIB,
    /** Frames and payload bytes that wait in the transport for a peer that does not read; more Raft messages and rows are dropped. */
    waitingFramesMax: 2_000,
    waitingBytesMax: 64 * MIB,
    /** Proposals under way to other brokers; one more is refused with RESOURCE_EXHAUSTED. */
    forwardsMax: 10_000,
    /** Brokers that found a cluster together. */
    foundersMax: 7,
    /** Brokers in a cluster: each has a link to every other. One more is refused with RESOURCE_EXHAUSTED. */
    brokersMax: 32,
  },
  /** Shards on their way to other brokers. */
  moving: {
    /** How often a shard's leader looks whether its members are as they should be; and how long a step may take. */
    everyMs: 500,
    stepMs: 5_000,
    /** Replicas that fetch their data at once, of the shards that one broker leads. */
    fetchesMax: 4,
    /** For so long a leader has led, and the one whose turn it is could be reached, before that one is to lead. */
    quietMs: 60_000,
  },
  /** The control group. */
  control: {
    /** Members that vote; the others learn. */
    votersMax: 5,
    /** Founders that were not heard by then are not waited for, when more than half of all were. */
    foundersPatienceMs: 10_000,
    /** When all were heard, they wait for others that know of a cluster, and of them: so many times peers.redialMaxMs. */
    foundersRounds: 3,
    /** How often its leader looks whether its members are as they should be, besides at each change; and how long a step may take. */
    keeperEveryMs: 500,
    keeperStepMs: 5_000,
    /** How often a terminal looks how far a broker is that leaves, and for how long at most. */
    removalPollMs: 300,
    removalPatienceMs: 60 * 60 * 1000,
    /** Sessions of proposers; the one unused for longest gives way to one more. */
    sessionsMax: 1_000,
    /** A session unused for this long, by the time of the group's entries, has expired. */
    idleMs: 60 * 60 * 1000,
    /** An attempt at one broker; then the proposal is made again. */
    attemptMs: 1_000,
    /** A request whose outcome is not known by then ends as unknown. */
    deadlineMs: 8_000,
    /** A read of what the cluster agreed on is given up after this. */
    readDeadlineMs: 2_000,
    /** A snapshot asked for is waited for this long. */
    snapshotDeadlineMs: 60_000,
    /** Between attempts. */
    retryBaseMs: 20,
    retryMaxMs: 1_000,
    /** A terminal asks one broker for this long, and all of them, again and again, for that long. */
    clientAttemptMs: 3_000,
    clientDeadlineMs: 15_000,
    /** Requests that wait for the one before them; one more is refused with RESOURCE_EXHAUSTED. */
    waitingMax: 100,
    /** Questions under way to other brokers; one more is refused with RESOURCE_EXHAUSTED. */
    questionsMax: 1_000,
  },
  /** Agents' sessions at a broker. */
  ingest: {
    /** Batches that a session may have unacknowledged: its send window. */
    windowBatches: 32,
    /** Bytes of unacknowledged batches of one session; at the limit it is not read on. */
    sessionBytesMax: 8 * MIB,
    /** Open at once at one broker; one more is refused with RESOURCE_EXHAUSTED. */
    sessionsMax: 20_000,
    /** Schemas that one session may announce, and their bytes; more end it with RESOURCE_EXHAUSTED. */
    schemasPerSessionMax: 10_000,
    schemaBytesPerSessionMax: 64 * MIB,
    /** Hosts that one heartbeat of a forwarder may name; more end the session with INVALID_ARGUMENT. */
    hostsPerHeartbeatMax: 10_000,
    /** Bytes of rows and their series that go to a shard's leader as one; a larger batch goes in several. */
    proposalBytes: 256 * KIB,
    /** A stream without a Hello by then is closed. */
    helloTimeoutMs: 10_000,
    /** A batch that could not be brought to its shards' leaders by then ends the session with UNAVAILABLE: the agent asks another broker. */
    batchDeadlineMs: 15_000,
    /** Between attempts to bring rows to a shard's leader. */
    retryBaseMs: 10,
    retryMaxMs: 250,
    /** A forwarded proposal that was not answered by then has an unknown outcome. */
    forwardTimeoutMs: 2_000,
    /** What agents are told. */
    heartbeatMs: 5_000,
  },
  /** The agent. */
  agent: {
    /** Rows in one batch; more are split. */
    batchRowsMax: 600,
    /** Bytes of queued rows in one batch. */
    batchBytesMax: 256 * KIB,
    /** Rows older than this leave the queue, counted as dropped. */
    queueAgeMaxMs: 24 * 60 * 60 * 1000,
    /** Bytes of the queue on disk; at the limit the oldest rows are dropped and counted. */
    queueBytesMax: 512 * MIB,
    /** Bytes of rows kept in memory while the disk takes nothing; at the limit the oldest are dropped and counted. */
    queueMemoryBytesMax: 16 * MIB,
    /** Schemas kept for rows in the queue; beyond it the oldest is forgotten, and rows that need it are dropped and counted. */
    schemasMax: 256,
    /** A broker that has not answered the Hello by then is left for the next. */
    connectTimeoutMs: 2_000,
    /** A broker that acknowledges nothing for this long, while batches wait, is left for the next. */
    ackTimeoutMs: 2_000,
    /** Before the broker says otherwise. */
    heartbeatMs: 5_000,
    /** How often the list of brokers is asked for. */
    membersIntervalMs: 30_000,
    /**
     * Backoff between rounds of attempts when every broker failed. At the limit a fleet of 10,000 makes 30,000 attempts a second, all of
     * which are refused by the system of a host without a broker, and is back within about two seconds.
     */
    backoffBaseMs: 100,
    backoffMaxMs: 2_000,
  },
  /** The dashboard. */
  dashboard: {
    /** How often the list of brokers is asked for. */
    membersIntervalMs: 5_000,
    /** Per broker asked. */
    callDeadlineMs: 2_000,
    /** Without an answer for so long the next broker is asked as well. */
    callPatienceMs: 400,
    /** A broker that was asked for a stream and has sent nothing by then is left for the next; longer than brokers wait for each other. */
    answerPatienceMs: 1_500,
    /** Values in one answer about a host; more are refused with RESOURCE_EXHAUSTED: a shorter range or fewer metrics are to be asked for. */
    answerValuesMax: 2_000_000,
    /** Subscriptions of one browser connection; one more is refused with RESOURCE_EXHAUSTED. */
    subscriptionsPerConnectionMax: 64,
    /** Malformed messages of one connection before it is closed. */
    malformedMessagesMax: 10,
    /** `window` of a subscription: data messages without an `ack`. */
    windowMax: 10_000,
    /** Backoff between attempts to resume a stream when every broker failed. */
    backoffBaseMs: 50,
    backoffMaxMs: 2_000,
  },
} as const;

/** Those that a test may want smaller. */
export type LogLimits = Readonly<Record<keyof typeof limits.log, number>>;

export type SnapshotLimits = Readonly<Record<keyof typeof limits.snapshots, number>>;

/** @throws AssertionError when limits contradict each other; called once at start. */
export function checkLimits(): void {
  const { frames, ingest, queries, raft, shard, subscriptions, supervisor } = limits;
  assert(raft.appendBytesMax <= raft.inflightBytesMax, 'an append message must fit into the in-flight window');
  assert(raft.entryBytesMax <= raft.uncommittedBytesMax, 'an entry must fit into the uncommitted limit');
  assert(
    subscriptions.openPatienceMs < limits.dashboard.answerPatienceMs,
    'a broker that waits for others has begun before it is left',
  );
  assert(queries.confirmMs < queries.attemptMs, 'a leader without a quorum says so before its caller gives up');
  assert(queries.attemptMs < queries.deadlineMs, 'a query has time for a second attempt');
  // Labels of a host: names and values of up to four bytes a character.
  const labelBytes = frames.labelsMax * (200 + 4 * frames.labelValueMax);
  assert(
    shard.batchBytes + ingest.proposalBytes + frames.seriesBytesMax + labelBytes < raft.entryBytesMax,
    'an entry that a shard fills and then some is one that Raft takes',
  );
  const waiting =
    subscriptions.tailBytes + subscriptions.remoteBytes + subscriptions.readsMax * subscriptions.readBytes;
  assert(
    supervisor.handOverMs + supervisor.callsMs < supervisor.graceMs && supervisor.graceMs < supervisor.stopPatienceMs,
    'who stops in order has ended before it is killed',
  );
  assert(waiting < subscriptions.bufferedBytesMax, 'a subscriber that keeps up stays below what may wait for one');
}
