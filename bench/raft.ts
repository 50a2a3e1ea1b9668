// Proposals of 4 KB to three members on loopback, each with its log on disk, beside the floor from the same run: a round trip and a sync.
//
//   vedette bench raft [--seconds=3] [--data=DIR] [--json] [--peers]      --peers: the same to etcd (Debian's etcd-server)
import { benchFlags, median } from './flags.ts';
import { cpuSeconds, sleep } from './support/children.ts';
import { syncFloor } from './support/disk-floor.ts';
import { createReport, ms, now, perSecond, type Report, spreadOf } from './support/figures.ts';
import { inFlight } from './support/load.ts';
import { startRaftMembers } from './support/raft-members.ts';
import { etcdVersion, startEtcd } from './peers/etcd.ts';

const BYTES = 4096;
const AT_ONCE = 100;
const WARM_UP = 2_000;
const PORT = 17_600;
const ROUNDS = 3;

const flags = benchFlags('raft', { seconds: 3 });
const { directory } = flags;
const forMs = flags.seconds * 1_000;
const report = createReport('raft', flags);
const payload = Buffer.alloc(BYTES, 'v');

interface Side {
  readonly put: () => Promise<boolean>;
  readonly cpu: () => number;
}

interface Measured {
  readonly one: number[];
  readonly rates: number[];
  readonly many: number[];
  readonly cpuMicros: number[];
}
const nothing = (): Measured => ({ one: [], rates: [], many: [], cpuMicros: [] });

async function measure(side: Side, into: Measured): Promise<void> {
  into.one.push(...(await inFlight(1, forMs, side.put)));
  const before = side.cpu();
  const began = now();
  const taken = await inFlight(AT_ONCE, forMs, side.put);
  into.rates.push((taken.length / (now() - began)) * 1000);
  into.cpuMicros.push(((side.cpu() - before) / taken.length) * 1e6);
  into.many.push(...taken);
}

async function warm(side: Side): Promise<void> {
  await inFlight(10, WARM_UP / 2, side.put);
  await inFlight(AT_ONCE, WARM_UP / 2, side.put);
}

function tell(to: Report, name: string, { one, rates, many, cpuMicros }: Measured): void {
  const single = spreadOf(one);
  const all = spreadOf(many);
  to.row(`${name}: one client, median`, `${ms(single.median)}   p99 ${ms(single.p99)}`, single);
  to.row(`${name}: ${AT_ONCE} in flight`, `${perSecond(median(rates))}   p50 ${ms(all.median)}   p99 ${ms(all.p99)}`, {
    perSecond: median(rates),
    ...all,
  });
  to.row(`${name}: CPU of the three per put`, `${median(cpuMicros).toFixed(0)} µs`, median(cpuMicros));
}

const sync = spreadOf(syncFloor(directory, BYTES, 1_000));
report.row('floor: write 4 KB and fdatasync, median', ms(sync.median), sync);

const members = await startRaftMembers(directory, PORT);
const leader = await members.leader();
const door = members.door(leader);
const ours: Side = {
  put: () => door.propose(payload),
  cpu: () => members.processes.reduce((sum, child) => sum + cpuSeconds(child), 0),
};
await warm(ours);
const trips = spreadOf(await inFlight(1, 1_000, async () => (await door.serves(), true)));
report.row('floor: a round trip to the leader, median', ms(trips.median), trips);

const etcd = flags.peers && etcdVersion() !== null ? await startEtcd(directory, PORT + 20) : null;
if (flags.peers && etcd === null) report.row('etcd', 'not installed: apt-get install etcd-server', null);
const etcdLeader = etcd === null ? 0 : await etcd.leader();
const theirs: Side | null =
  etcd === null
    ? null
    : {
        put: () => etcd.put(etcdLeader, payload),
        cpu: () => etcd.processes.reduce((sum, child) => sum + cpuSeconds(child), 0),
      };
if (theirs !== null) await warm(theirs);

const mine = nothing();
const other = nothing();
for (let round = 1; round <= ROUNDS; round++) {
  report.progress(`round ${round} of ${ROUNDS}`);
  await measure(ours, mine);
  if (theirs !== null) await measure(theirs, other);
  await sleep(200);
}
tell(report, 'vedette', mine);
if (theirs !== null) {
  tell(report, `etcd ${etcdVersion()}`, other);
  const latency = median(mine.one) / median(other.one);
  const rate = median(mine.rates) / median(other.rates);
  const cpu = median(mine.cpuMicros) / median(other.cpuMicros);
  report.row('one client: median, to etcd’s', `${latency.toFixed(2)}×   (at most 1.2)`, latency);
  report.row('in flight: rate, to etcd’s', `${rate.toFixed(2)}×   (at least 2)`, rate);
  report.row('in flight: CPU per put, to etcd’s', `${cpu.toFixed(2)}×   (at most 0.5)`, cpu);
}
report.end();
await members.stop();
await etcd?.stop();
process.exit(0);
