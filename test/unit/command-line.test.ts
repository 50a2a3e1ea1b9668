// Flags, units, and what the program says to wrong usage.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Command, parseFlags } from '../../src/cli/flags.ts';
import { nearest, parseAddress, parseCount, parseDuration, parsePeers, parseSize } from '../../src/core/units.ts';
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

test('units', () => {
  assert.equal(
    ['500ms', '1s', '15m', '2h', '7d'].map((text) => parseDuration(text, 'x')),
    [500, 1_000, 900_000, 7_200_000, 604_800_000],
  );
  assert.equal(
    ['4096', '512M', '10G', '1.5K'].map((text) => parseSize(text, 'x')),
    [4096, 512 * 1024 ** 2, 10 * 1024 ** 3, 1536],
  );
  assert.is(parseAddress('[::1]:80', 'x'), '[::1]:80');
  assert.equal(parsePeers('a=h:1,b=h:2', 'x'), { a: 'h:1', b: 'h:2' });
  assert.is(parseCount('12', 'x', 1, 20), 12);
  for (const bad of ['5', '1 parsec', '-1s', ''])
    assert.throws(() => parseDuration(bad, 'interval'), usage(/--interval/));
  for (const bad of ['12Q', 'M', '-5']) assert.throws(() => parseSize(bad, 'memory'), usage(/--memory/));
  for (const bad of ['host', 'host:99999', ':80', 'a b:1'])
    assert.throws(() => parseAddress(bad, 'grpc'), usage(/--grpc/));
  assert.throws(() => parsePeers('a=h:1,a=h:2', 'peers'), usage(/names a twice/));
  assert.throws(() => parsePeers('a=h:1,b=h:1', 'peers'), usage(/to two brokers/));
  assert.throws(() => parseCount('1.5', 'shards', 1, 9), usage(/from 1 to 9/));
  assert.is(nearest('bokers', ['brokers', 'data']), 'brokers');
  assert.is(nearest('xyz', ['brokers', 'data']), undefined);
});

test('the program: exit code 2 and one line for wrong usage', () => {
  const run = (...args: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', 'src/cli/main.ts', ...args], {
      encoding: 'utf8',
    });
    return { status, text: stdout + stderr };
  };
  const table: [args: string[], status: number, words: RegExp][] = [
    [['--help'], 0, /Usage: vedette COMMAND/],
    [['broker', '--help'], 0, /--peers id=ADDR/],
    [['--version'], 0, /vedette \d/],
    [['brokr'], 2, /did you mean broker\?/],
    [['scenario'], 2, /not in this release/],
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
        '/tmp/never-made',
        '--peers',
        'y=127.0.0.1:1',
      ],
      2,
      /--peers does not name x itself; it names y/,
    ],
    [['agent', '--brokers', 'nonsense'], 2, /--brokers "nonsense" is no address/],
  ];
  for (const [args, status, words] of table) {
    const result = run(...args);
    assert.is(result.status, status, `vedette ${args.join(' ')}: ${result.text}`);
    assert.match(result.text, words);
  }
});

test.run();
