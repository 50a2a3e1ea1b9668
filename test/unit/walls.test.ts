// The walls of the house hold: each offence, in a house of its own, is found and named.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tempDirectory } from '../support/temp.ts';

const test = suite('walls');

function check(file: string, text: string) {
  const house = tempDirectory('walls');
  mkdirSync(dirname(join(house, file)), { recursive: true });
  writeFileSync(join(house, file), text);
  const { status, stderr } = spawnSync(process.execPath, ['scripts/walls.mjs', house], { encoding: 'utf8' });
  return { status, stderr };
}

const offences: [what: string, file: string, text: string, law: RegExp][] = [
  ['a machine reads a file', 'src/machines/m.ts', "import { readFileSync } from 'node:fs';", /law 1/],
  ['a machine uses rxjs', 'src/machines/m.ts', "import { Subject } from 'rxjs';", /law 1/],
  ['core uses gRPC', 'src/core/c.ts', "import { Client } from '@grpc/grpc-js';", /law 1/],
  ['a machine invokes', 'src/machines/m.ts', "const x = { invoke: 'y' };", /law 1/],
  ['a machine sends to an actor', 'src/machines/m.ts', "const x = sendTo('y', {});", /law 1/],
  ['core imports a machine', 'src/core/c.ts', "import { m } from '../machines/m.ts';", /law 6/],
  ['a machine imports streams', 'src/machines/m.ts', "import { c } from '../streams/clock.ts';", /law 6/],
  ['an actor imports the command line', 'src/actors/a.ts', "import { c } from '../cli/main.ts';", /law 6/],
  ['the pages import the program', 'web/src/p.ts', "import { c } from '../../src/core/ids.ts';", /law 6/],
  ['an actor starts a timer', 'src/actors/a.ts', 'setTimeout(() => {}, 1);', /law 9/],
  ['an actor asks for the date', 'src/actors/a.ts', 'const now = Date.now();', /law 9/],
  ['a machine makes a date', 'src/machines/m.ts', 'const now = new Date();', /law 9/],
  ['streams draw by themselves', 'src/streams/s.ts', 'const x = Math.random();', /law 9/],
  ['the simulator measures', 'scenarios/engine/sim/s.ts', 'const t = performance.now();', /law 9/],
  ['rxjs owns time', 'src/actors/a.ts', "import { map, debounceTime } from 'rxjs';", /law 9/],
];

for (const [what, file, text, law] of offences) {
  test(`refused: ${what}`, () => {
    const { status, stderr } = check(file, `${text}\n`);
    assert.is(status, 1, stderr);
    assert.match(stderr, law);
    assert.match(stderr, `${file}:1`);
  });
}

test('allowed: the adapters, words in comments, dates of a given time', () => {
  const fine: [file: string, text: string][] = [
    ['src/streams/real-clock.ts', 'setTimeout(() => {}, 1);'],
    ['src/actors/transports/x.ts', 'const now = Date.now();'],
    ['src/actors/a.ts', '// setTimeout(is only a word) here\nconst when = new Date(5);'],
    ['src/machines/m.ts', "import { setup } from 'xstate';\nimport { a } from '../core/ids.ts';"],
    ['src/cli/c.ts', 'setInterval(() => {}, 1);'],
  ];
  for (const [file, text] of fine) assert.is(check(file, `${text}\n`).status, 0, file);
});

test('this house', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/walls.mjs'], { encoding: 'utf8' });
  assert.is(status, 0, stderr);
});

test.run();
