// What a process hears on the streams of snapshots comes in turns of its own, and is a place where it can be ended.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { createSnapshotDisk } from '../../scenarios/engine/sim/process-snapshots.ts';
import { type BrokerId, type ClusterId, shardGroup } from '../../src/core/ids.ts';
import { encodeHeader } from '../../src/actors/stores/snapshots/header.ts';
import { createClockView } from '../../src/streams/clock-view.ts';
import { createMemoryWirePair } from '../../src/streams/memory-wire.ts';
import { createRandom } from '../../src/streams/random.ts';
import type { SnapshotMessage } from '../../src/streams/snapshot-message.ts';
import { createVirtualClock } from '../../src/streams/virtual-clock.ts';

const id = (name: string) => name as BrokerId;

for (const dead of [false, true])
  test(`an offer ${dead ? 'that ends the process is not heard' : 'is heard in a turn of its own, and answered'}`, () => {
    const clock = createVirtualClock();
    let turns = 0;
    const turn = (run: () => void) => {
      turns++;
      run();
    };
    const life = createClockView(clock, { turn });
    const options = { store: 'memory', segmentBytes: 1e6, cacheBytes: 1e6, syncMinMs: 1, syncMeanMs: 1 } as const;
    let heard = 0;
    const { accept } = createSnapshotDisk(createRandom('disk'), options, {}).open(life, id('b'), [shardGroup(0)], {
      planted: {},
      dial: () => createMemoryWirePair<SnapshotMessage>(clock).a,
      heard: () => ++heard > 0 && dead,
      warn: assert.unreachable,
      failed: assert.unreachable,
    });
    const { a, b } = createMemoryWirePair<SnapshotMessage>(clock);
    const answers: SnapshotMessage['kind'][] = [];
    a.inbox.subscribe(({ kind }) => answers.push(kind));
    accept(b);
    const configuration = { index: 0, configuration: { voters: [id('a')], outgoing: [], learners: [], joining: [] } };
    const meta = { group: shardGroup(0), index: 9, term: 1, cluster: '' as ClusterId, configuration };
    const before = turns;
    a.outbox.next({
      kind: 'offer',
      from: id('a'),
      to: id('b'),
      term: 1,
      header: encodeHeader(meta),
      chunks: 1,
      bytes: 1,
    });
    clock.advance(10);
    assert.is(heard, 1);
    assert.ok(turns > before);
    assert.equal(answers, dead ? [] : ['grant']);
  });

test.run();
