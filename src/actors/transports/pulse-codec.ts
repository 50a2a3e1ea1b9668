// Pulses ↔ their frames: lists go as packed numbers, since they leave twenty times a second.
import { groupFromNumber, groupNumber } from '../../core/ids.ts';
import type { vedette } from '../../core/proto.ts';
import type { Pulse } from '../../streams/envelope.ts';

export function encodePulse({ session, seq, version, lines, commits, heard }: Pulse): vedette.v1.IPulse {
  return {
    session,
    seq,
    version,
    listed: lines !== null,
    groups: (lines ?? []).map(({ group }) => groupNumber(group)),
    terms: (lines ?? []).map(({ term }) => term),
    commits: [...commits],
    heard: heard === null ? null : { ...heard, refused: heard.refused.map(groupNumber) },
  };
}

export function decodePulse(pulse: vedette.v1.IPulse): Pulse {
  const { session, seq, version, listed, groups, terms, commits, heard } = pulse;
  return {
    kind: 'pulse',
    session: session ?? 0,
    seq: seq ?? 0,
    version: version ?? 0,
    lines:
      listed === true
        ? (groups ?? []).map((group, at) => ({ group: groupFromNumber(group), term: terms?.[at] ?? 0 }))
        : null,
    commits: commits ?? [],
    heard: heard
      ? {
          session: heard.session ?? 0,
          seq: heard.seq ?? 0,
          version: heard.version ?? 0,
          refused: (heard.refused ?? []).map(groupFromNumber),
        }
      : null,
  };
}
