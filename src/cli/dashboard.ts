import { fileURLToPath } from 'node:url';
import { Subject } from 'rxjs';
import { packageRoot } from '../actors/package-root.ts';
import { createMonitorClients } from '../actors/transports/grpc-client.ts';
import { startHttpServer } from '../actors/transports/http-server.ts';
import { openStaticFiles } from '../actors/transports/static-files.ts';
import { startWsServer, type WsConnection } from '../actors/transports/ws-server.ts';
import { createDashboard } from '../actors/visualization.ts';
import type { FetchJson } from '../actors/visualization/cluster-routes.ts';
import { limits } from '../core/limits.ts';
import { parseAddress, parseAddresses } from '../core/units.ts';
import { createInspector } from '../streams/inspector.ts';
import { createRandom } from '../streams/random.ts';
import { createRealClock } from '../streams/real-clock.ts';
import { checkFree } from './check-free.ts';
import type { Command, Values } from './flags.ts';
import { announce, processFigures, randomName, say, stopSignal } from './process.ts';

export const dashboardCommand: Command = {
  name: 'dashboard',
  summary: 'serves the pages, REST and live streams',
  flags: {
    brokers: { value: 'ADDR,…', required: true, help: 'some brokers of the cluster; the others are found' },
    listen: { value: 'ADDR', default: '127.0.0.1:8080', help: 'where browsers reach it' },
  },
  run: runDashboard,
};

const PAGES = [/^\/$/, /^\/hosts$/, /^\/hosts\/[^/]+$/, /^\/machines$/];
const FETCH_TIMEOUT_MS = 2_000;

async function runDashboard(values: Values): Promise<number> {
  const seeds = parseAddresses(values.text('brokers'), 'brokers');
  const address = parseAddress(values.text('listen'), 'listen');
  await checkFree(address, 'listen');
  const clock = createRealClock();
  const clients = createMonitorClients();
  const connections = new Subject<WsConnection>();
  const dashboard = createDashboard({
    seeds,
    clients: clients.get,
    fetchJson,
    connections,
    processFigures,
    clock,
    random: createRandom(randomName()),
    inspector: createInspector({ clock }),
  });
  const files = openStaticFiles(fileURLToPath(new URL('dist/web', packageRoot)), PAGES);
  const http = await startHttpServer({ address, routes: dashboard.routes, files });
  const sockets = startWsServer(http.server, '/api/v1/stream');
  const connecting = sockets.connections.subscribe(connections);
  announce(`dashboard ready at http://${address}/`);

  say(`the dashboard is stopping: ${await stopSignal()}`);
  connecting.unsubscribe();
  dashboard.stop();
  sockets.stop();
  await new Promise<void>((done) => http.stop(done));
  clients.close();
  return 0;
}

const fetchJson: FetchJson = async (broker, path, change) => {
  const patience = change === undefined ? FETCH_TIMEOUT_MS : limits.control.deadlineMs + FETCH_TIMEOUT_MS;
  const response = await fetch(`http://${broker}${path}`, {
    signal: AbortSignal.timeout(patience),
    method: change?.method ?? 'GET',
    ...(change?.body === undefined ? {} : { body: JSON.stringify(change.body) }),
  });
  return { status: response.status, body: await response.json() };
};
