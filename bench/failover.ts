// A leader lost under load, by kill -9 and by SIGSTOP, 20 times each: how long until the next proposal is acknowledged. Afterwards every
// acknowledged proposal must be held by every member.
//
//   vedette bench failover [--seconds=20] [--data=DIR] [--json] [--peers]      --seconds: faults of each kind; --peers: kill -9 of etcd's
import { etcdVersion, startEtcd } from './peers/etcd.ts';
import { benchFlags } from './flags.ts';
import { sleep, stop } from './support/children.ts';
import { createReport, ms, now, spreadOf } from './support/figures.ts';
import { runFaults } from './support/fault-run.ts';
import { startRaftMembers } from './support/raft-members.ts';

const PORT = 17_650;
const ETCD_KILLS_MAX = 10;
const flags = benchFlags('failover', { seconds: 20 });
const report = createReport('failover', flags);

async function vedette(): Promise<void> {
  for (const [fault, what, aims] of [
    ['SIGKILL', 'kill -9', 'median at most 150 ms, worst under 600 ms'],
    ['SIGSTOP', 'SIGSTOP', 'median under 700 ms, worst under 1.2 s'],
  ] as const) {
    const members = await startRaftMembers(`${flags.directory}/${fault}`, PORT);
    const { gaps, acknowledged, missing } = await runFaults(members, fault, flags.seconds, (done) =>
      report.progress(`${what}: ${done} of ${flags.seconds}`),
    );
    const spread = spreadOf(gaps);
    report.row(
      `vedette, ${what} of the leader`,
      `median ${ms(spread.median)}   worst ${ms(spread.worst)}   (${aims})`,
      {
        ...spread,
        all: gaps.map(Math.round),
      },
    );
    report.row(`vedette, ${what}: acknowledged and missing`, `${missing} of ${acknowledged}`, {
      acknowledged,
      missing,
    });
    await members.stop();
    if (missing > 0) process.exitCode = 1;
  }
}

/** As long as etcd's defaults make it: 100 ms heartbeats, elections after 1 s. */
async function etcd(): Promise<void> {
  const version = etcdVersion();
  if (version === null) {
    report.row('etcd', 'not installed: apt-get install etcd-server', null);
    return;
  }
  const cluster = await startEtcd(flags.directory, PORT + 20);
  const value = Buffer.alloc(256, 'v');
  const gaps: number[] = [];
  const kills = Math.min(ETCD_KILLS_MAX, flags.seconds);
  while (gaps.length < kills) {
    const leader = await cluster.leader();
    const others = [0, 1, 2].filter((member) => member !== leader);
    await sleep(500);
    await Promise.all(others.map((member) => cluster.put(member, value)));
    const victim = cluster.processes[leader];
    if (victim === undefined) throw new Error('the leader has a process');
    const began = now();
    void stop(victim, 'SIGKILL');
    let at: number | null = null;
    for (let turn = 0; at === null; turn++) {
      void cluster.put(others[turn % 2] ?? 0, value, 1_000).then((put) => {
        if (put) at ??= now();
      });
      await sleep(10);
    }
    gaps.push(at - began);
    report.progress(`etcd: ${gaps.length} of ${kills}`);
    await cluster.restart(leader);
    await sleep(2_500);
  }
  const spread = spreadOf(gaps);
  report.row(
    `etcd ${version}, kill -9 of the leader`,
    `median ${ms(spread.median)}   worst ${ms(spread.worst)}`,
    spread,
  );
  await cluster.stop();
}

await vedette();
if (flags.peers) await etcd();
report.end();
process.exit();
