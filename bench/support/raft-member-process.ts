// One member of one Raft group as a process: the program's own peers, Raft host and log store, and a door for proposals.
//
//   node dist/bench/support/raft-member-process.js ID DIRECTORY id=grpc-address=door-address …
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { createPeers } from '../../src/actors/cluster/peers.ts';
import { createRaftHost } from '../../src/actors/cluster/raft-host.ts';
import { kernels } from '../../src/actors/kernels.ts';
import { openLog } from '../../src/actors/stores/log-store.ts';
import { createNodeDisk } from '../../src/actors/stores/node-disk.ts';
import { raftDefinition } from '../../src/actors/transports/grpc-definitions.ts';
import { createGrpcPeers, type PeerServerStream } from '../../src/actors/transports/grpc-peers.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createRealClock } from '../../src/streams/real-clock.ts';
import { answerAll, doorDefinition, LACKS, NAME_BYTES, PROPOSE, SERVES, TERM } from './door.ts';

const [id = '', directory = '', ...places] = process.argv.slice(2);
const self = id as BrokerId;
const members = new Map<BrokerId, string>();
let door = '';
for (const place of places) {
  const [name = '', grpc = '', doorAddress = ''] = place.split('=');
  members.set(name as BrokerId, grpc);
  if (name === id) door = doorAddress;
}
const PROPOSAL_TIMEOUT_MS = 5_000;

const fail = (error: Error): never => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
};
const clock = createRealClock();
const random = createRandom(`${id} ${process.pid} ${Date.now()}`);
const inspector = createInspector({ clock });
const log = openLog({
  disk: createNodeDisk(),
  directory,
  clock,
  random,
  kernels,
  warn: (message) => process.stderr.write(`${message}\n`),
  failed: fail,
});
const transport = createGrpcPeers(self);
const peers = createPeers({
  self,
  members,
  hello: () => ({
    broker: self,
    incarnation: `${id} ${process.pid}`,
    cluster: '',
    founding: 'bench',
    grpcAddress: members.get(self) ?? '',
    httpAddress: '',
    zone: '',
    membersAt: 0,
    boot: `${process.pid}`,
  }),
  transport,
  clock,
  random,
  inspector,
  warn: () => {},
  refused: fail,
});
const raft = createRaftHost({
  self,
  clock,
  random,
  log,
  inspector,
  send: (to, envelope) => peers.sendRaft(to, envelope),
  sendPulse: (to, pulse) => peers.send(to, pulse),
  options: { heartbeatMs: 50, electionMinMs: 250, electionMaxMs: 500, closedConnectionHint: true },
  failed: fail,
});
/** The names of what was applied. */
const applied = new Set<bigint>();
const nameOf = (payload: Uint8Array): bigint =>
  Buffer.from(payload.buffer, payload.byteOffset, NAME_BYTES).readBigUInt64LE(0);
const group = raft.create('control', [...members.keys()], {
  apply(entries) {
    for (const { kind, payload } of entries) if (kind === 'data') applied.add(nameOf(payload));
  },
});
// Nothing was ever lost here.
group.trust();
peers.opened.subscribe((peer) => raft.peerOpened(peer));
peers.closed.subscribe((peer) => raft.peerClosed(peer));
peers.messages.subscribe(({ from, message }) => {
  if (message.kind === 'raft') raft.receive(from, message.envelopes);
  if (message.kind === 'pulse') raft.pulse(from, message);
});

function serve(stream: ServerDuplexStream<Buffer, Buffer>): void {
  answerAll(stream, (what, content, answer) => {
    switch (what) {
      case PROPOSE:
        return group.propose(content, PROPOSAL_TIMEOUT_MS, ({ outcome }) => answer(outcome === 'applied' ? 1 : 0));
      case SERVES:
        return answer(group.status.serving ? 1 : 0);
      case LACKS:
        return answer(lacking(content));
      case TERM:
        return answer(group.status.term);
      default:
        fail(new Error(`request ${what} is not known here`));
    }
  });
  stream.on('end', () => stream.end());
  stream.on('error', () => {});
}

function lacking(names: Buffer): number {
  let count = 0;
  for (let at = 0; at < names.length; at += NAME_BYTES) if (!applied.has(names.readBigUInt64LE(at))) count++;
  return count;
}

function listen(server: Server, address: string): void {
  server.bindAsync(address, ServerCredentials.createInsecure(), (error) => {
    if (error !== null) fail(error);
  });
}
const peerServer = new Server();
peerServer.addService(raftDefinition, { Peer: (stream: PeerServerStream) => transport.accept(stream) });
listen(peerServer, members.get(self) ?? '');
const doorServer = new Server();
doorServer.addService(doorDefinition, { Ask: serve });
listen(doorServer, door);
process.on('SIGTERM', () => process.exit(0));
