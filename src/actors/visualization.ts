// The dashboard's service: browsers on one side, all brokers on the other.
//
//   browser ◀─ WebSocket ─ session ─ subscription ─▶ one broker's stream, resumed at another by cursor
//   browser ◀─ REST ─ routes ─▶ any broker that answers
import type { Observable } from 'rxjs';
import type { Clock } from '../streams/clock.ts';
import type { Inspector } from '../streams/inspector.ts';
import type { Random } from '../streams/random.ts';
import type { Route } from './http-route.ts';
import { laterDashboardRoutes } from './later-routes.ts';
import type { MonitorClient } from './monitor-client.ts';
import type { ProcessFigures } from './prometheus.ts';
import type { WsConnection } from './transports/ws-server.ts';
import { type BrokerPool, createBrokerPool } from './visualization/broker-pool.ts';
import { type BrowserSession, serveBrowser } from './visualization/browser-session.ts';
import { clusterRoutes, type FetchJson, machineRoutes } from './visualization/cluster-routes.ts';
import { hostRoutes } from './visualization/host-routes.ts';
import { processRoutes } from './visualization/process-routes.ts';

export interface DashboardPorts {
  /** gRPC addresses of brokers, at least one. */
  readonly seeds: readonly string[];
  readonly clients: (address: string) => MonitorClient;
  readonly fetchJson: FetchJson;
  /** Browsers as they connect. */
  readonly connections: Observable<WsConnection>;
  readonly processFigures: () => ProcessFigures;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
}

export interface Dashboard {
  readonly routes: readonly Route[];
  readonly pool: BrokerPool;
  readonly browsers: number;
  stop(): void;
}

export function createDashboard(ports: DashboardPorts): Dashboard {
  const { clock, random, inspector } = ports;
  const pool = createBrokerPool({ seeds: ports.seeds, clients: ports.clients, clock, random: random.fork('pool') });
  const sessions = new Set<BrowserSession>();
  let subscriptionNumber = 0;

  const connecting = ports.connections.subscribe((connection) => {
    const session = serveBrowser(
      { connection, pool, clock, random: random.fork('browser'), inspector, nextNumber: () => ++subscriptionNumber },
      () => sessions.delete(session),
    );
    sessions.add(session);
  });

  const viewers = () => ({
    browsers: sessions.size,
    subscriptions: [...sessions].reduce((sum, session) => sum + session.subscriptions, 0),
  });

  return {
    routes: [
      ...hostRoutes(pool, clock),
      ...clusterRoutes(pool, clock, ports.fetchJson),
      ...machineRoutes(pool, inspector, ports.fetchJson),
      ...processRoutes({ pool, processFigures: ports.processFigures, viewers }),
      ...laterDashboardRoutes,
    ],
    pool,
    get browsers() {
      return sessions.size;
    },
    stop() {
      connecting.unsubscribe();
      for (const session of sessions) session.close();
      pool.stop();
    },
  };
}
