// Does a leader stay where it is while others take the processors? 500 proposals a second for five minutes, beside four busy loops.
//
//   vedette bench steadiness [--seconds=300] [--data=DIR] [--json]
import { benchFlags } from './flags.ts';
import { start, stop } from './support/children.ts';
import { createReport, ms, now, spreadOf } from './support/figures.ts';
import { startRaftMembers } from './support/raft-members.ts';

const PORT = 17_750;
const BUSY = 4;
const PER_SECOND = 500;
const TICK_MS = 10;
const PAYLOAD_BYTES = 256;

const flags = benchFlags('steadiness', { seconds: 300 });
const report = createReport('steadiness', flags);
const members = await startRaftMembers(flags.directory, PORT);
const leader = await members.leader();
const door = members.door(leader);
const termBefore = await door.term();
const loops = Array.from({ length: BUSY }, () =>
  start(process.execPath, ['-e', 'for (;;) {}'], `${flags.directory}/busy.log`),
);

const taken: number[] = [];
let failed = 0;
let asked = 0;
const began = now();
const endsAt = began + flags.seconds * 1_000;
await new Promise<void>((done) => {
  const timer = setInterval(() => {
    const due = Math.floor(((Math.min(now(), endsAt) - began) / 1_000) * PER_SECOND);
    while (asked < due) {
      const payload = Buffer.alloc(PAYLOAD_BYTES);
      payload.writeUInt32LE(++asked, 0);
      const before = now();
      void door.propose(payload).then((applied) => {
        if (applied) taken.push(now() - before);
        else failed++;
      });
    }
    report.progress(`${Math.round((now() - began) / 1_000)} of ${flags.seconds} s`);
    if (now() < endsAt) return;
    clearInterval(timer);
    setTimeout(done, 2_000);
  }, TICK_MS);
});
await Promise.all(loops.map((loop) => stop(loop, 'SIGKILL')));
const terms = await Promise.all([0, 1, 2].map((member) => members.door(member).term()));
const elections = Math.max(...terms.map((term) => term ?? 0)) - (termBefore ?? 0);
const spread = spreadOf(taken);
report.row('elections', `${elections}   (none)`, elections);
report.row('proposals acknowledged', `${taken.length} of ${asked}`, { acknowledged: taken.length, asked, failed });
report.row('latency', `median ${ms(spread.median)}   p99 ${ms(spread.p99)}   worst ${ms(spread.worst)}`, spread);
report.end();
await members.stop();
process.exit(elections === 0 ? 0 : 1);
