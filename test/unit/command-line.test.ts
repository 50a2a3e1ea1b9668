// Flags, units, and what the program, as it was built, says to wrong usage.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Command, helpOf, parseFlags } from '../../src/cli/flags.ts';
import { inSources } from '../../src/cli/source-places.ts';
import {
  nearest,
  parseAddress,
  parseAddresses,
  parseCount,
  parseDuration,
  parsePeers,
  parsePowerOfTwo,
  parseSize,
  sizeText,
} from '../../src/core/units.ts';
import { tempDirectory } from '../support/temp.ts';

const test = suite('command line');
const command: Command = {
  name: 'probe',
  summary: '',
  flags: {
    data: { value: 'DIR', default: './d', help: '' },
    brokers: { value: 'ADDR', required: true, help: '' },
    json: { help: '' },
  },
  run: () => Promise.resolve(0),
};
const usage = (words: RegExp) => (error: { code?: string; message?: string }) =>
  error.code === 'INVALID_ARGUMENT' && words.test(error.message ?? '');

test('flag over variable over file over default', () => {
  const file = join(tempDirectory('flags'), 'config.yaml');
  writeFileSync(file, 'data: from-file\nbrokers: [a:1, b:2]\n');
  const at = (args: string[], environment: Record<string, string>) =>
    parseFlags(command, args, environment).text('data');
  assert.is(at(['--brokers', 'a:1'], {}), './d');
  assert.is(at(['--config', file], {}), 'from-file');
  assert.is(at(['--config', file], { VEDETTE_DATA: 'from-variable' }), 'from-variable');
  assert.is(at(['--config', file, '--data=from-flag'], { VEDETTE_DATA: 'from-variable' }), 'from-flag');
  assert.is(parseFlags(command, ['--config', file], {}).text('brokers'), 'a:1,b:2');
  const secret = join(tempDirectory('secret'), 'data');
  writeFileSync(secret, 'from-secret\n');
  assert.is(at(['--brokers', 'a:1'], { VEDETTE_DATA_FILE: secret }), 'from-secret');
});

test('what is wrong is named, with the nearest right thing', () => {
  assert.throws(() => parseFlags(command, ['--dtaa', 'x'], {}), usage(/unknown flag --dtaa; did you mean --data\?/));
  assert.throws(() => parseFlags(command, ['--zzzzzzzzz'], {}), usage(/--help lists them/));
  assert.throws(() => parseFlags(command, [], {}), usage(/needs --brokers ADDR/));
  assert.throws(() => parseFlags(command, ['--brokers'], {}), usage(/--brokers needs a value/));
  assert.throws(() => parseFlags(command, ['stray', '--brokers', 'a'], {}), usage(/takes no "stray"/));
  const file = join(tempDirectory('flags'), 'config.yaml');
  writeFileSync(file, 'dat: x\n');
  assert.throws(
    () => parseFlags(command, ['--config', file, '--brokers', 'a'], {}),
    usage(/unknown name "dat"; did you mean data\?/),
  );
  assert.throws(
    () => parseFlags(command, ['--config', '/no/such', '--brokers', 'a'], {}),
    usage(/--config \/no\/such/),
  );
});

test('a value that was forgotten does not take the next flag for one', () => {
  assert.throws(() => parseFlags(command, ['--brokers', '--data', 'x'], {}), usage(/--brokers needs a value/));
  assert.throws(() => parseFlags(command, ['--brokers='], {}), usage(/--brokers needs a value: --brokers ADDR/));
  assert.is(parseFlags(command, ['--brokers=--odd'], {}).text('brokers'), '--odd');
  assert.throws(() => parseFlags(command, ['--brokers', 'a', '-x'], {}), usage(/unknown flag -x/));
});

test('switches', () => {
  const json = (args: string[], environment: Record<string, string> = {}) =>
    parseFlags(command, ['--brokers', 'a', ...args], environment).switch('json');
  assert.not(json([]));
  assert.ok(json(['--json']));
  assert.ok(json([], { VEDETTE_JSON: 'Yes' }));
  assert.not(json([], { VEDETTE_JSON: '0' }));
  assert.not(json([], { VEDETTE_JSON: '' }));
  assert.throws(() => json([], { VEDETTE_JSON: 'maybe' }), usage(/--json is a switch: "maybe"/));
  assert.throws(() => json(['--json=true']), usage(/--json takes no value/));
});

test('a file may hold lists and maps; what else it holds is refused', () => {
  const parse = (yaml: string) => {
    const file = join(tempDirectory('config'), 'config.yaml');
    writeFileSync(file, yaml);
    return parseFlags(command, ['--config', file], { VEDETTE_DATA: '' });
  };
  assert.is(parse('brokers: { b1: h:1, b2: h:2 }').text('brokers'), 'b1=h:1,b2=h:2');
  assert.is(parse('brokers: 7\ndata:\n').text('data'), './d');
  assert.throws(() => parse('brokers: [[a]]'), usage(/config.yaml: brokers: a value, a list or a map/));
  assert.throws(() => parse('- brokers'), usage(/names and values are expected/));
  assert.throws(() => parse('brokers: [a'), usage(/--config .*config.yaml: /));
  assert.throws(() => parse(''), usage(/needs --brokers/));
  assert.throws(
    () => parseFlags(command, [], { VEDETTE_BROKERS_FILE: '/no/such' }),
    usage(/VEDETTE_BROKERS_FILE: .*\/no\/such/),
  );
});

test('help names every flag, what it takes, and its default', () => {
  const help = helpOf(command);
  for (const words of ['--data DIR', '(default ./d)', '--brokers ADDR', '(required)', '--config FILE', 'VEDETTE_NAME'])
    assert.ok(help.includes(words), words);
  assert.ok(parseFlags(command, ['--help'], {}).switch('help'), 'without what is required');
  assert.ok(parseFlags(command, ['-h'], {}).switch('help'));
});

test('units', () => {
  assert.equal(
    ['500ms', '1s', '15m', '2h', '7d'].map((text) => parseDuration(text, 'x')),
    [500, 1_000, 900_000, 7_200_000, 604_800_000],
  );
  assert.equal(
    ['4096', '512M', '10G', '1.5K'].map((text) => parseSize(text, 'x')),
    [4096, 512 * 1024 ** 2, 10 * 1024 ** 3, 1536],
  );
  assert.equal([0, 1_023, 1_536, 268_435_456, 1.25 * 1024 ** 4, 5000 * 1024 ** 4].map(sizeText), [
    '0 bytes',
    '1023 bytes',
    '1.5 KiB',
    '256 MiB',
    '1.3 TiB',
    '5000 TiB',
  ]);
  assert.is(parseAddress('[::1]:80', 'x'), '[::1]:80');
  assert.equal(parsePeers('a=h:1,b=h:2', 'x'), { a: 'h:1', b: 'h:2' });
  assert.equal(parsePeers('constructor=h:1', 'x'), { constructor: 'h:1' });
  assert.is(parseCount('12', 'x', 1, 20), 12);
  for (const bad of ['5', '1 parsec', '-1s', ''])
    assert.throws(() => parseDuration(bad, 'interval'), usage(/--interval/));
  for (const bad of ['12Q', 'M', '-5']) assert.throws(() => parseSize(bad, 'memory'), usage(/--memory/));
  for (const bad of ['host', 'host:99999', ':80', 'a b:1'])
    assert.throws(() => parseAddress(bad, 'grpc'), usage(/--grpc/));
  assert.throws(() => parsePeers('a=h:1,a=h:2', 'peers'), usage(/names a twice/));
  assert.throws(() => parsePeers('a=h:1,b=h:1', 'peers'), usage(/to two brokers/));
  assert.throws(() => parseCount('1.5', 'shards', 1, 9), usage(/from 1 to 9/));
  assert.equal(parseAddresses('a:1, b:2,', 'x'), ['a:1', 'b:2']);
  assert.throws(() => parseAddresses(',', 'brokers'), usage(/--brokers names no address/));
  assert.equal(
    [1, 32, 4096].map((value) => parsePowerOfTwo(String(value), 'x', 1, 4096)),
    [1, 32, 4096],
  );
  assert.throws(() => parsePowerOfTwo('33', 'shards', 1, 4096), usage(/no power of two; the nearest are 32 and 64/));
  assert.throws(() => parsePowerOfTwo('0', 'shards', 1, 4096), usage(/from 1 to 4096/));
  assert.is(nearest('bokers', ['brokers', 'data']), 'brokers');
  assert.is(nearest('xyz', ['brokers', 'data']), undefined);
});

test('what fails for no reason of the person who typed shows where that is in the sources', async () => {
  const built = pathToFileURL('dist/src/').href;
  const program = `
    const [{ assert }, { fail }] = await Promise.all(['core/assert.js', 'cli/process.js'].map((path) => import('${built}' + path)));
    try { assert(false, 'on purpose'); } catch (error) { fail(error); }`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program]);
  let text = '';
  child.stderr.on('data', (chunk) => (text += String(chunk)));
  const [status] = await once(child, 'close');
  assert.is(status, 1);
  const place = /^vedette: AssertionError: on purpose\n {4}at assert \((.*assert\.ts):(\d+):(\d+)\)\n/.exec(text);
  assert.is(place?.[1], resolve('src/core/assert.ts'), text);
  const line = readFileSync('src/core/assert.ts', 'utf8').split('\n')[Number(place?.[2]) - 1];
  assert.match(line ?? '', /throw new AssertionError/);
});

test('a place in a file without a source map is shown as it is', () => {
  const stack = 'Error: x\n    at f (file:///nowhere/x.js:1:2)\n    at node:internal/a:3:4';
  assert.is(inSources(stack), stack);
});

test('the program: exit code 2 and one line for wrong usage', async () => {
  const run = async (args: readonly string[]) => {
    const child = spawn(process.execPath, ['bin/vedette.mjs', ...args]);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += String(chunk)));
    const [status] = await once(child, 'close');
    return { status: status as number | null, text };
  };
  const neverMade = join(tempDirectory('broker'), 'never-made');
  const table: [args: string[], status: number, words: RegExp][] = [
    [['--help'], 0, /Usage: vedette COMMAND/],
    [['broker', '--help'], 0, /--peers id=ADDR/],
    [['--version'], 0, /vedette \d/],
    [['constructor'], 2, /unknown command "constructor"/],
    [['hosts', '--constructor'], 2, /unknown flag --constructor/],
    [['brokr'], 2, /did you mean broker\?/],
    [['bench', 'lgo'], 2, /there is no benchmark "lgo".*did you mean log\?/],
    [['bench', 'log', '--help'], 0, /64 writers/],
    [['inspect'], 2, /not in this release/],
    [['cluster', 'rebalance'], 2, /rebalance is not in this release: shards move by themselves/],
    [['--data', 'x'], 2, /a command comes first/],
    [[], 2, /Usage: vedette COMMAND/],
    [
      [
        'broker',
        '--id',
        'x',
        '--grpc',
        '127.0.0.1:1',
        '--http',
        '127.0.0.1:2',
        '--data',
        neverMade,
        '--peers',
        'y=127.0.0.1:1',
      ],
      2,
      /--peers does not name x itself; it names y/,
    ],
    [['up', '--shards', '33'], 2, /--shards 33 is no power of two/],
    [['up', '--http-base', '7410'], 2, /--grpc-base and --http-base both give 127\.0\.0\.1:7411 away/],
    [['up', '--hosts', '5'], 2, /synthetic hosts are not in this release/],
    [['machines', 'a', 'b'], 2, /"b" is too much/],
    [['hosts', '--brokers', '127.0.0.1:1'], 1, /127\.0\.0\.1:1/],
    [['agent', '--brokers', 'nonsense'], 2, /--brokers "nonsense" is no address/],
  ];
  const results = await Promise.all(table.map(([args]) => run(args)));
  table.forEach(([args, status, words], at) => {
    const { status: found, text } = results[at] ?? { status: null, text: '' };
    assert.is(found, status, `vedette ${args.join(' ')}: ${text}`);
    assert.match(text, words);
    if (status === 2 && args.length > 0) assert.is(text.trimEnd().split('\n').length, 1, text);
  });
  assert.not(existsSync(neverMade));
});

test.run();
