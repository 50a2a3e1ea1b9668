import { firstValueFrom } from 'rxjs';
import { createBroker } from '../actors/broker.ts';
import { prometheusText } from '../actors/cluster/broker-metrics.ts';
import { brokerRoutes } from '../actors/cluster/http-routes.ts';
import { kernels } from '../actors/kernels.ts';
import { checkRaftOptions } from '../actors/raft/options.ts';
import { openBrokerDirectory } from '../actors/stores/broker-directory.ts';
import { holdsIdentity, type Identity, readIdentity } from '../actors/stores/identity.ts';
import { openSnapshots } from '../actors/stores/snapshots.ts';
import { createNodeDisk } from '../actors/stores/node-disk.ts';
import { createMonitorClients } from '../actors/transports/grpc-client.ts';
import { createGrpcPeers } from '../actors/transports/grpc-peers.ts';
import { startGrpcServer } from '../actors/transports/grpc-server.ts';
import { createGrpcSnapshots } from '../actors/transports/grpc-snapshots.ts';
import { startHttpServer } from '../actors/transports/http-server.ts';
import { invalidArgument, VedetteError } from '../core/errors.ts';
import { type ClusterId, parseBrokerId } from '../core/ids.ts';
import { parseAddress, parseDuration, parseSize } from '../core/units.ts';
import { createInspector } from '../streams/inspector.ts';
import { createRandom } from '../streams/random.ts';
import { createRealClock } from '../streams/real-clock.ts';
import { howItBegins } from './broker-beginning.ts';
import { checkFree } from './check-free.ts';
import type { Command, Values } from './flags.ts';
import { announce, fail, processFigures, randomName, say, stopSignal } from './process.ts';

export const brokerCommand: Command = {
  name: 'broker',
  summary: 'one broker of a cluster',
  flags: {
    id: { value: 'ID', required: true, help: "this broker's name" },
    grpc: { value: 'ADDR', required: true, help: 'where agents, dashboards and peers reach it' },
    http: { value: 'ADDR', required: true, help: 'where its HTTP face listens' },
    data: { value: 'DIR', required: true, help: 'its data directory; made when it is not there' },
    peers: { value: 'id=ADDR,…', help: 'the brokers that found a cluster together, this one among them' },
    join: { value: 'ADDR,…', help: 'instead of --peers: brokers of a running cluster, which takes this one in' },
    shards: {
      value: 'N',
      default: '32',
      help: 'with --peers: shards of the cluster, a power of two; the same at every broker',
    },
    replicas: { value: 'N', default: '3', help: 'with --peers: replicas of each shard; the same at every broker' },
    zone: { value: 'NAME', help: 'where it stands, for people: a rack, a data centre' },
    memory: { value: 'SIZE', default: '512M', help: 'for rows in memory' },
    heartbeat: { value: 'DURATION', default: '50ms', help: "a leader's heartbeat" },
    'election-min': {
      value: 'DURATION',
      default: '250ms',
      help: 'shortest silence of a leader that lets a follower stand for election',
    },
    'election-max': { value: 'DURATION', default: '500ms', help: 'longest' },
    storage: { value: 'URL', default: 'embedded:', help: 'where rows go besides' },
  },
  run: runBroker,
};

async function runBroker(values: Values): Promise<number> {
  const id = parseBrokerId(values.text('id'), 'id');
  const grpcAddress = parseAddress(values.text('grpc'), 'grpc');
  const httpAddress = parseAddress(values.text('http'), 'http');
  const directory = values.text('data');
  const disk = createNodeDisk();
  const self = { id, grpc: grpcAddress, http: httpAddress, zone: values.optional('zone') ?? '' };
  const isKnown = holdsIdentity(disk, directory);
  const cluster = readIdentity(disk, directory)?.cluster ?? '';
  const begin = howItBegins(values, self, isKnown ? { directory, cluster } : null);
  if (values.text('storage') !== 'embedded:')
    throw invalidArgument('storage', `--storage ${values.text('storage')}: only embedded: is in this release`);

  const memoryBytes = parseSize(values.text('memory'), 'memory');
  const raft = {
    heartbeatMs: parseDuration(values.text('heartbeat'), 'heartbeat'),
    electionMinMs: parseDuration(values.text('election-min'), 'election-min'),
    electionMaxMs: parseDuration(values.text('election-max'), 'election-max'),
    closedConnectionHint: true,
  };
  checkRaftOptions(raft);
  // Everything that can be refused is refused by now: nothing was written yet.
  await checkFree(grpcAddress, 'grpc');
  await checkFree(httpAddress, 'http');

  const clock = createRealClock();
  const random = createRandom(randomName());
  const inspector = createInspector({ clock });
  const failures: ((error: VedetteError) => void)[] = [];
  const failed = (error: VedetteError): void => failures.forEach((tell) => tell(error));
  const ports = { disk, directory, clock, random, kernels, warn: say, failed };
  const beginning = await begin();
  const check = ({ roster, cluster: now }: Identity): void => {
    const known = roster.members[id];
    if (known !== grpcAddress)
      throw invalidArgument('grpc', `--grpc is ${grpcAddress}, but the cluster knows ${id} at ${known}`);
    if (beginning.how === 'again' && now !== cluster)
      throw new VedetteError('FAILED_PRECONDITION', `${directory} has come to another cluster just now: start again`);
  };
  const { identity, log } = openBrokerDirectory(ports, id, beginning, () => randomName(16), check);
  const snapshots = openSnapshots({
    disk,
    directory: `${directory}/snapshots`,
    clock,
    crc32c: kernels.crc32c,
    cluster: identity.identity.cluster,
    formerly: identity.identity.formerly,
    warn: say,
    failed,
  });
  const snapshotStreams = createGrpcSnapshots();
  const clients = createMonitorClients();
  const peers = createGrpcPeers(id);
  const broker = createBroker({
    id,
    grpcAddress,
    httpAddress,
    clock,
    random,
    inspector,
    log,
    identity,
    peers,
    snapshots: { store: snapshots, transport: snapshotStreams, crc32c: kernels.crc32c },
    clients: clients.get,
    zone: self.zone,
    mintCluster: () => randomName(8) as ClusterId,
    memoryBytes,
    raft,
    warn: say,
  });
  failures.push((error) => broker.fail(error));
  broker.failed.subscribe((error) => fail(error));

  const grpc = await startGrpcServer({
    address: grpcAddress,
    service: broker.service,
    admin: broker.admin,
    peers,
    snapshots: snapshotStreams,
  });
  const metrics = () => prometheusText(broker, processFigures());
  const http = await startHttpServer({ address: httpAddress, routes: brokerRoutes(broker, inspector, metrics) });
  let announced = false;
  broker.ready.subscribe((ready) => {
    grpc.serving(ready);
    if (ready && !announced) announce(`broker ${id} ready`);
    announced ||= ready;
  });

  const left = firstValueFrom(broker.left).then(
    () => `it has left cluster ${identity.identity.cluster}, and ${directory} may be deleted`,
  );
  say(`${id} is stopping: ${await Promise.race([stopSignal(), left])}`);
  grpc.serving(false);
  await new Promise<void>((done) => broker.stop(done));
  await Promise.all([new Promise<void>((done) => grpc.stop(done)), new Promise<void>((done) => http.stop(done))]);
  clients.close();
  return 0;
}
