// Messages between brokers ↔ frames of proto/vedette/v1/peer.proto.
import { assert, unreachable } from '../../core/assert.ts';
import type { ErrorCode } from '../../core/errors.ts';
import { type BrokerId, type ClusterId, groupFromNumber, groupNumber, type HostId } from '../../core/ids.ts';
import type { vedette } from '../../core/proto.ts';
import { decodeAnswer, decodeQuestion, encodeAnswer, encodeQuestion } from './question-codec.ts';
import type { RaftMessage, TermRun } from '../../machines/raft/messages.ts';
import type { CarriedEntry, ForwardOutcome, PeerMessage, RaftEnvelope } from '../../streams/envelope.ts';
import { decodeLeads, encodeLeads } from './leads-codec.ts';
import { decodePulse, encodePulse } from './pulse-codec.ts';

type Frame = vedette.v1.IPeerFrame;
type Message = vedette.v1.IRaftMessage;

const KINDS = ['noop', 'data', 'configuration'] as const;
const NOBODY = '' as BrokerId;

export function encodePeerMessage(message: PeerMessage): Frame {
  switch (message.kind) {
    case 'hello': {
      const { kind: _, broker, cluster, ...rest } = message;
      return { hello: { ...rest, brokerId: broker, clusterId: cluster } };
    }
    case 'refusal':
      return { refusal: { code: message.code, reason: message.reason } };
    case 'raft':
      return { raft: { messages: message.envelopes.map(encodeRaft) } };
    case 'forward': {
      const { requestId, shard, proposal, relay } = message;
      return { forward: { requestId, shard, proposal, relay } };
    }
    case 'forwardReply':
      return { forwardReply: { requestId: message.requestId, ...encodeOutcome(message.result) } };
    case 'beats':
      return {
        beats: {
          hosts: message.hosts.map(({ host, agent, ageMs, intervalMs, clockSkewMs }) => ({
            hostId: host,
            agentId: agent,
            ageMs: Math.round(ageMs),
            intervalMs,
            clockSkewMs: Math.round(clockSkewMs),
          })),
          relay: message.relay,
        },
      };
    case 'leads':
      return { leads: encodeLeads(message) };
    case 'pulse':
      return { pulse: encodePulse(message) };
    case 'question':
      return { question: encodeQuestion(message) };
    case 'answer':
      return { answer: encodeAnswer(message) };
    case 'standing':
      return { standing: { uncertain: message.uncertain.map(groupNumber) } };
    default:
      return unreachable(message);
  }
}

/**
 * @param from who is at the other end, @param to this broker: frames do not repeat the ends of their stream. '' before the hello.
 * @returns undefined for a frame of a kind that this version does not know.
 */
export function decodePeerMessage(
  frame: vedette.v1.PeerFrame,
  from: BrokerId | '',
  to: BrokerId | '',
): PeerMessage | undefined {
  const { hello, refusal, raft, forward, forwardReply, beats, leads, pulse, question, answer, standing } = frame;
  if (raft)
    return {
      kind: 'raft',
      envelopes: (raft.messages ?? []).flatMap((message) => decodeRaft(message, from || NOBODY, to || NOBODY) ?? []),
    };
  if (pulse) return decodePulse(pulse);
  if (hello) {
    return {
      kind: 'hello',
      protocol: hello.protocol ?? 0,
      broker: (hello.brokerId ?? '') as BrokerId,
      incarnation: hello.incarnation ?? '',
      cluster: (hello.clusterId ?? '') as ClusterId | '',
      founding: hello.founding ?? '',
      grpcAddress: hello.grpcAddress ?? '',
      httpAddress: hello.httpAddress ?? '',
      zone: hello.zone ?? '',
      membersAt: hello.membersAt ?? 0,
      boot: hello.boot ?? '',
    };
  }
  if (refusal)
    return { kind: 'refusal', code: (refusal.code ?? 'INTERNAL') as ErrorCode, reason: refusal.reason ?? '' };
  if (forward) {
    const { requestId, shard, proposal, relay } = forward;
    return {
      kind: 'forward',
      requestId: requestId ?? 0,
      shard: shard ?? 0,
      proposal: proposal ?? new Uint8Array(0),
      relay: relay === true,
    };
  }
  if (forwardReply)
    return { kind: 'forwardReply', requestId: forwardReply.requestId ?? 0, result: decodeOutcome(forwardReply) };
  if (beats) {
    return {
      kind: 'beats',
      hosts: (beats.hosts ?? []).map(({ hostId, agentId, ageMs, intervalMs, clockSkewMs }) => ({
        host: (hostId ?? '') as HostId,
        agent: agentId ?? '',
        ageMs: ageMs ?? 0,
        intervalMs: intervalMs ?? 0,
        clockSkewMs: clockSkewMs ?? 0,
      })),
      relay: beats.relay === true,
    };
  }
  if (leads) return decodeLeads(leads);
  if (question) return decodeQuestion(question);
  if (answer) return decodeAnswer(answer);
  if (standing) return { kind: 'standing', uncertain: (standing.uncertain ?? []).map(groupFromNumber) };
  return undefined;
}

function encodeOutcome(result: ForwardOutcome): Omit<vedette.v1.IForwardReply, 'requestId'> {
  if (result.outcome === 'applied') return { code: '' };
  if (result.outcome === 'unknown') return { code: 'DEADLINE_EXCEEDED', message: result.message };
  return { code: result.code, message: result.message, leader: result.leader ?? '', notApplied: 1 };
}

function decodeOutcome({ code, message, leader, notApplied }: vedette.v1.IForwardReply): ForwardOutcome {
  if ((code ?? '') === '') return { outcome: 'applied' };
  if (notApplied !== 1) return { outcome: 'unknown', message: message ?? '' };
  return {
    outcome: 'notApplied',
    code: code as ErrorCode,
    message: message ?? '',
    leader: leader ? (leader as BrokerId) : null,
  };
}

function encodeRaft({ group, message, entries }: RaftEnvelope): Message {
  const head = { group: groupNumber(group), term: message.term };
  switch (message.type) {
    case 'preVote':
    case 'vote':
      return {
        ...head,
        requestVote: {
          pre: message.type === 'preVote',
          lastIndex: message.lastIndex,
          lastTerm: message.lastTerm,
          transfer: message.type === 'vote' && message.transfer === true,
        },
      };
    case 'preVoteReply':
    case 'voteReply':
      return { ...head, requestVoteReply: { pre: message.type === 'preVoteReply', granted: message.granted } };
    case 'append': {
      const { prevIndex, prevTerm, commit, runs } = message;
      assert(entries.length === message.lastIndex - prevIndex, 'an append carries the entries that it announces');
      return {
        ...head,
        appendEntries: {
          prevIndex,
          prevTerm,
          commit,
          entries: entries.map((entry, at) => encodeEntry(entry, prevIndex + 1 + at, runs)),
        },
      };
    }
    case 'appendReply': {
      const { rejected, index, hintIndex, hintTerm, uncertain = 0 } = message;
      return { ...head, appendEntriesReply: { rejected, index, hintIndex, hintTerm, uncertain } };
    }
    case 'heartbeat':
      return { ...head, heartbeat: { commit: message.commit, round: message.round } };
    case 'heartbeatReply':
      return { ...head, heartbeatReply: { round: message.round, uncertain: message.uncertain ?? 0 } };
    case 'installSnapshot':
      return { ...head, installSnapshot: { lastIndex: message.index, lastTerm: message.indexTerm } };
    case 'timeoutNow':
      return { ...head, timeoutNow: {} };
    case 'readIndex':
      return { ...head, readIndex: { read: message.read } };
    case 'readIndexReply':
      return {
        ...head,
        readIndexReply: { read: message.read, index: message.index ?? 0, refused: message.index === null },
      };
    case 'vouch':
      return { ...head, vouch: { boot: message.boot, index: message.index } };
    case 'vouchReply':
      return { ...head, vouchReply: { boot: message.boot } };
    default:
      return unreachable(message);
  }
}

function encodeEntry({ kind, payload }: CarriedEntry, index: number, runs: readonly TermRun[]): vedette.v1.IRaftEntry {
  return { term: runs.findLast(({ first }) => first <= index)?.term ?? 0, kind: KINDS.indexOf(kind), payload };
}

function decodeRaft(message: Message, from: BrokerId, to: BrokerId): RaftEnvelope | undefined {
  const group = groupFromNumber(message.group ?? 0);
  const head = { from, to, term: message.term ?? 0 };
  const plain = (decoded: RaftMessage): RaftEnvelope => ({ group, message: decoded, entries: [] });
  const { requestVote, requestVoteReply, appendEntries, appendEntriesReply, heartbeat, heartbeatReply } = message;
  const { installSnapshot } = message;
  if (heartbeat)
    return plain({ type: 'heartbeat', ...head, commit: heartbeat.commit ?? 0, round: heartbeat.round ?? 0 });
  if (heartbeatReply)
    return plain({
      type: 'heartbeatReply',
      ...head,
      round: heartbeatReply.round ?? 0,
      ...uncertainIf(heartbeatReply.uncertain),
    });
  if (appendEntries) return decodeAppend(appendEntries, group, head);
  if (appendEntriesReply) {
    const { rejected, index, hintIndex, hintTerm, uncertain } = appendEntriesReply;
    return plain({
      type: 'appendReply',
      ...head,
      rejected: rejected ?? false,
      index: index ?? 0,
      hintIndex: hintIndex ?? 0,
      hintTerm: hintTerm ?? 0,
      ...uncertainIf(uncertain),
    });
  }
  if (requestVote) {
    const { pre, lastIndex, lastTerm, transfer } = requestVote;
    const ends = { ...head, lastIndex: lastIndex ?? 0, lastTerm: lastTerm ?? 0 };
    if (pre) return plain({ type: 'preVote', ...ends });
    return plain({ type: 'vote', ...ends, ...(transfer ? { transfer: true } : {}) });
  }
  if (installSnapshot)
    return plain({
      type: 'installSnapshot',
      ...head,
      index: installSnapshot.lastIndex ?? 0,
      indexTerm: installSnapshot.lastTerm ?? 0,
    });
  if (requestVoteReply)
    return plain({
      type: requestVoteReply.pre ? 'preVoteReply' : 'voteReply',
      ...head,
      granted: requestVoteReply.granted ?? false,
    });
  return decodeRare(message, head, plain);
}

const uncertainIf = (boot: number | null | undefined) => (boot ? { uncertain: boot } : {});

function decodeRare(
  { timeoutNow, readIndex, readIndexReply, vouch, vouchReply }: Message,
  head: { readonly from: BrokerId; readonly to: BrokerId; readonly term: number },
  plain: (message: RaftMessage) => RaftEnvelope,
): RaftEnvelope | undefined {
  if (readIndex) return plain({ type: 'readIndex', ...head, read: readIndex.read ?? 0 });
  if (readIndexReply) {
    const { read, index, refused } = readIndexReply;
    return plain({ type: 'readIndexReply', ...head, read: read ?? 0, index: refused ? null : (index ?? 0) });
  }
  if (timeoutNow) return plain({ type: 'timeoutNow', ...head });
  if (vouch) return plain({ type: 'vouch', ...head, boot: vouch.boot ?? 0, index: vouch.index ?? 0 });
  if (vouchReply) return plain({ type: 'vouchReply', ...head, boot: vouchReply.boot ?? 0 });
  return undefined;
}

function decodeAppend(
  append: vedette.v1.IAppendEntries,
  group: RaftEnvelope['group'],
  head: { from: BrokerId; to: BrokerId; term: number },
): RaftEnvelope {
  const prevIndex = append.prevIndex ?? 0;
  const runs: TermRun[] = [];
  const entries: CarriedEntry[] = [];
  let bytes = 0;
  for (const [at, { term, kind, payload }] of (append.entries ?? []).entries()) {
    if (runs.at(-1)?.term !== term) runs.push({ first: prevIndex + 1 + at, term: term ?? 0 });
    const carried = payload ?? new Uint8Array(0);
    bytes += carried.length;
    entries.push({ kind: KINDS[kind ?? 0] ?? 'data', payload: carried });
  }
  const message: RaftMessage = {
    type: 'append',
    ...head,
    prevIndex,
    prevTerm: append.prevTerm ?? 0,
    lastIndex: prevIndex + entries.length,
    runs,
    commit: append.commit ?? 0,
    bytes,
  };
  return { group, message, entries };
}
