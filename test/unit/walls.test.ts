// The walls of the house hold: each offence is found and named.
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tempDirectory } from '../support/temp.ts';

const test = suite('walls');

/** What is said of a house that holds just these files. */
function check(files: Readonly<Record<string, string>>) {
  const house = tempDirectory('walls');
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(house, file)), { recursive: true });
    writeFileSync(join(house, file), `${text}\n`);
  }
  const { status, stderr } = spawnSync(process.execPath, ['scripts/walls.mjs', house], { encoding: 'utf8' });
  return { status, said: stderr.trimEnd().split('\n') };
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
  ['all of rxjs', 'src/actors/a.ts', "import * as rx from 'rxjs';", /law 9/],
  ['timers by another door', 'src/streams/s.ts', "import { scheduler } from 'node:timers/promises';", /law 9/],
  ['the tick of the process', 'src/actors/a.ts', 'process.nextTick(() => {});', /law 9/],
  ['chance from the system', 'src/actors/a.ts', 'const id = crypto.randomUUID();', /law 9/],
  ['a deadline of its own', 'src/actors/a.ts', 'const signal = AbortSignal.timeout(5);', /law 9/],
  ['core asks for the date', 'src/core/c.ts', 'const text = Date();', /law 9/],
  ['core reads the environment', 'src/core/c.ts', "const x = process.env['X'];", /law 1/],
  ['a machine writes', 'src/machines/m.ts', "console.log('x');", /law 1/],
  ['a machine waits', 'src/machines/m.ts', 'const x = async () => {};', /law 1/],
  ['protobufjs in core', 'src/core/ring.ts', "import protobuf from 'protobufjs/minimal.js';", /law 1/],
  ['generated messages past their door', 'src/actors/a.ts', "import { vedette } from '../../gen/proto.js';", /law 6/],
  ['the program imports the pages', 'src/cli/c.ts', "import { p } from '../../web/src/p.ts';", /law 6/],
  ['the program imports tests', 'src/cli/c.ts', "import { p } from '../../test/support/until.ts';", /law 6/],
  ['streams import an actor', 'src/streams/s.ts', "export * from '../actors/a.ts';", /law 6/],
  ['core imports late', 'src/core/c.ts', "const x = import('../machines/m.ts');", /law 6/],
  ['gRPC outside of transports', 'src/actors/a.ts', "import { Client } from '@grpc/grpc-js';", /law 4/],
  [
    'an actor makes its own server',
    'src/actors/a.ts',
    "import { startHttpServer } from './transports/http-server.ts';",
    /law 4/,
  ],
];

test('each offence is refused, where it is, by its law', () => {
  const numbered = offences.map(([what, file, text, law], at) => {
    const name = file.replace(/\w+\.ts$/, `offence-${at}.ts`);
    return { what, name, text, law };
  });
  const { status, said } = check(Object.fromEntries(numbered.map(({ name, text }) => [name, text])));
  assert.is(status, 1);
  for (const { what, name, law } of numbered) {
    const lines = said.filter((line) => line.startsWith(`${name}:1 `));
    assert.is(lines.length, 1, `${what}: ${lines.join()}`);
    assert.match(lines[0] ?? '', law, what);
  }
});

test('allowed: the adapters, words in comments, dates of a given time', () => {
  const { status, said } = check({
    'src/streams/real-clock.ts': 'setTimeout(() => {}, 1);',
    'src/actors/transports/x.ts': 'const now = Date.now();',
    'src/actors/a.ts': '// setTimeout(is only a word) here\nconst when = new Date(5);',
    'src/machines/m.ts': "import { setup } from 'xstate';\nimport { a } from '../core/ids.ts';",
    'src/cli/c.ts': 'setInterval(() => {}, 1);',
    'src/core/proto.ts': "export { vedette } from '../../gen/proto.js';",
    'src/core/c.ts': "const metric = 'system.process.count';",
    'src/actors/stores/redis.ts': "import Redis from 'ioredis';",
    'src/actors/b.ts': "import type { HttpServer } from './transports/http-server.ts';",
    'scenarios/engine/live/l.ts': "import { startHttpServer } from '../../../src/actors/transports/http-server.ts';",
  });
  assert.is(status, 0, said.join());
});

test('the linter refuses circles, promises that nobody waits for, and holes in the types', () => {
  const room = tempDirectory('lint');
  const files: Readonly<Record<string, string>> = {
    'one.ts': "import { two } from './two.ts';\nexport const one = (): number => two();\n",
    'two.ts': "import { one } from './one.ts';\nexport const two = (): number => one();\n",
    'dropped.ts': 'export function dropped(): void {\n  Promise.reject(new Error());\n}\n',
    'hole.ts': 'export const hole = (x: any): string => x!.y;\n',
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(room, name), text);
  const oxlint = join('node_modules', 'oxlint', 'bin', 'oxlint');
  const args = [oxlint, '--type-aware', '-c', '.oxlintrc.json', room];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.is(status, 1, stdout);
  for (const rule of ['no-cycle', 'no-floating-promises', 'no-explicit-any', 'no-non-null-assertion'])
    assert.match(stdout, rule);
});

test('this house', () => {
  const { status, stderr } = spawnSync(process.execPath, ['scripts/walls.mjs'], { encoding: 'utf8' });
  assert.is(status, 0, stderr);
});

test.run();
