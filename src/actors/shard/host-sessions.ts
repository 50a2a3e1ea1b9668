// The charts of a shard's hosts: alive only in the broker that leads the shard.
import type { HostRecord } from '../../core/frame.ts';
import type { BrokerId, HostId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import { type HostSessionEffect, hostSessionMachine } from '../../machines/host-session.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { HostBeat } from '../../streams/envelope.ts';
import type { Inspector } from '../../streams/inspector.ts';
import type { HostNews } from './host-records.ts';
import { type Running, runMachine } from '../../streams/run-machine.ts';
import type { EventFrom, SnapshotFrom } from 'xstate';

export interface HostSessions {
  /** This broker began to lead: a chart for every known host, in its replicated state with a fresh timeout. */
  begin(): void;
  end(): void;
  /** A record was applied. */
  applied(record: HostRecord): void;
  beat(beat: HostBeat): void;
}

export interface HostSessionsPorts {
  readonly self: BrokerId;
  readonly hosts: ReadonlyMap<HostId, HostRecord>;
  readonly clock: Clock;
  readonly inspector: Inspector;
  readonly announce: (news: HostNews) => void;
}

type Session = Running<SnapshotFrom<typeof hostSessionMachine>, EventFrom<typeof hostSessionMachine>>;

export function createHostSessions(ports: HostSessionsPorts): HostSessions {
  const { self, hosts, clock, inspector, announce } = ports;
  const sessions = new Map<HostId, Session>();
  /** What heartbeats have told since the record was replicated. */
  const seen = new Map<HostId, { lastSeenMs: number; clockSkewMs: number }>();
  let refresh: Timer | null = null;

  function open(host: HostId): Session {
    const existing = sessions.get(host);
    if (existing !== undefined) return existing;
    const session = runMachine<typeof hostSessionMachine, HostSessionEffect>(hostSessionMachine, {
      id: `${self}/host/${host}`,
      kind: 'host',
      input: { state: hosts.get(host)?.state ?? 'unseen', intervalMs: limits.agent.heartbeatMs, at: clock.monotonic() },
      clock,
      inspector,
      onEffect: ({ params }) => announce({ host, ...seen.get(host), state: params.state }),
    });
    sessions.set(host, session);
    return session;
  }

  /**
   * Replicates when hosts were last seen, now and then: a new leader should not have to guess. A change of state that was not
   * replicated when it was announced (the log took nothing just then) is announced again.
   */
  function refreshLater(): void {
    refresh = clock.after(limits.shard.lastSeenEveryMs, () => {
      for (const [host, session] of sessions) {
        const state = session.snapshot.value;
        const told = hosts.get(host)?.state === state;
        const news = seen.get(host);
        if (!told || news !== undefined) announce({ host, ...news, ...(told ? {} : { state }) });
      }
      seen.clear();
      refreshLater();
    });
  }

  return {
    begin() {
      if (refresh !== null) return;
      for (const host of hosts.keys()) open(host);
      refreshLater();
    },
    end() {
      refresh?.cancel();
      refresh = null;
      for (const session of sessions.values()) session.stop();
      sessions.clear();
      seen.clear();
    },
    applied({ host }) {
      if (refresh !== null) open(host);
    },
    beat({ host, ageMs, intervalMs, clockSkewMs }) {
      if (refresh === null) return;
      seen.set(host, { lastSeenMs: clock.now() - ageMs, clockSkewMs });
      open(host).send({ type: 'beat', ageMs, intervalMs, at: clock.monotonic() });
    },
  };
}
