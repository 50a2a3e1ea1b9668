// watchdog: 120s
// What seeds have found, and was mended: each smallest run, as it was kept, must break nothing any more.
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { replay } from '../../scenarios/engine/sim/replay.ts';
import { parseScenario } from '../../scenarios/engine/sim/scenario-file.ts';

const directory = new URL('found/', import.meta.url);

for (const name of readdirSync(directory)) {
  test(name, () => {
    const { violation } = replay(parseScenario(readFileSync(new URL(name, directory), 'utf8'), name));
    assert.is(violation, null, violation?.message);
  });
}

test.run();
