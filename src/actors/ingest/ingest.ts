// All agents' sessions of a broker, and the heartbeats that they hear.
import { unavailable, VedetteError } from '../../core/errors.ts';
import type { HostId, Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { HostBeat } from '../../streams/envelope.ts';
import type { Inspector } from '../../streams/inspector.ts';
import type { Random } from '../../streams/random.ts';
import type { ClusterConfig } from '../cluster/cluster-config.ts';
import type { Directory } from '../directory.ts';
import type { CallContext, ReportCall } from '../monitor-service.ts';
import { openReportSession } from './report-session.ts';
import { createRouter } from './router.ts';

export interface Ingest {
  open(call: ReportCall, context: CallContext): void;
  /** Heartbeats heard since the last call, for the leaders of their hosts' shards. */
  takeBeats(): HostBeat[];
  readonly sessions: number;
  /** Rows acknowledged to agents. */
  readonly ackedRows: number;
  stop(): void;
}

export interface IngestPorts {
  readonly directory: Directory;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
  readonly config: () => ClusterConfig;
  readonly sessionsMax?: number;
}

export function createIngest(ports: IngestPorts): Ingest {
  const { directory, clock, random, inspector, config, sessionsMax = limits.ingest.sessionsMax } = ports;
  const router = createRouter(directory, clock, random);
  const sessions = new Set<{ close(error: ReturnType<typeof unavailable>): void }>();
  const heard = new Map<HostId, { readonly agent: string; readonly at: Millis; readonly clockSkewMs: Millis }>();
  let number = 0;
  let ackedRows = 0;

  return {
    open(call, context) {
      if (sessions.size >= sessionsMax) {
        call.responses.close(
          new VedetteError(
            'RESOURCE_EXHAUSTED',
            `this broker has ${sessions.size} sessions; at most ${sessionsMax} are taken`,
            { retryAfterMs: limits.agent.backoffMaxMs },
          ),
        );
        return;
      }
      const session = openReportSession({
        machineId: `${directory.self}/session/${++number}`,
        call,
        context,
        router,
        shardOf: (host) => directory.shardOf(host),
        clock,
        inspector,
        config,
        beat: (host, agent, clockSkewMs) => heard.set(host, { agent, at: clock.monotonic(), clockSkewMs }),
        acked: (rows) => {
          ackedRows += rows;
        },
        ended: () => {
          sessions.delete(session);
        },
      });
      sessions.add(session);
    },
    takeBeats() {
      const now = clock.monotonic();
      const beats = [...heard].map(([host, { agent, at, clockSkewMs }]) => ({
        host,
        agent,
        ageMs: now - at,
        intervalMs: config()['agents.heartbeatMs'],
        clockSkewMs,
      }));
      heard.clear();
      return beats;
    },
    get sessions() {
      return sessions.size;
    },
    get ackedRows() {
      return ackedRows;
    },
    stop() {
      for (const session of [...sessions]) session.close(unavailable('this broker is stopping'));
    },
  };
}
