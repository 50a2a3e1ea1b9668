// Sets up whatever is missing or stale: dependencies, generated messages, the native addon, the program, the pages. When nothing has
// changed it only compares file times. Plain JavaScript without dependencies, in syntax that old versions of Node can read, so that
// they can be told what is wrong.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamps = join(root, 'node_modules', '.cache', 'vedette');
const NODE_MAJOR_LEAST = 20;

function say(line) {
  process.stderr.write(line + '\n');
}

function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major >= NODE_MAJOR_LEAST) return;
  say(
    'vedette needs Node ' +
      NODE_MAJOR_LEAST +
      ' or newer; this is ' +
      process.version +
      '. Install a newer one from your distribution or https://nodejs.org/.',
  );
  process.exit(1);
}

/** Every file below the given paths, with size and time: equal fingerprints mean that nothing was touched. */
function fingerprint(paths) {
  const hash = createHash('sha256').update(process.version);
  const add = (path) => {
    const stats = statSync(path);
    if (stats.isDirectory()) for (const name of readdirSync(path).sort()) add(join(path, name));
    else hash.update(path.slice(root.length) + ':' + stats.size + ':' + stats.mtimeMs + '\n');
  };
  for (const path of paths) if (existsSync(join(root, path))) add(join(root, path));
  return hash.digest('hex');
}

function isFresh(name, print, outputs) {
  const stamp = join(stamps, name);
  return (
    existsSync(stamp) &&
    readFileSync(stamp, 'utf8') === print &&
    outputs.every((output) => existsSync(join(root, output)))
  );
}

function run(command, args) {
  return spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    maxBuffer: 64 * 1024 * 1024,
  });
}

/** Runs what is stale, says how long it took, and remembers. A step that fails shows what it printed, and ends the set-up. */
function step(name, what, inputs, outputs, act) {
  const print = fingerprint(inputs);
  if (isFresh(name, print, outputs)) return;
  const began = Date.now();
  if (process.stderr.isTTY) process.stderr.write('  ' + what + ' …');
  const problem = act();
  const seconds = ((Date.now() - began) / 1000).toFixed(1) + ' s';
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K');
  if (problem !== null) {
    say('✘ ' + what + ' failed after ' + seconds + '\n' + problem);
    process.exit(1);
  }
  say('✔ ' + what + ' (' + seconds + ')');
  mkdirSync(stamps, { recursive: true });
  writeFileSync(join(stamps, name), fingerprint(inputs));
}

const failed = (result) => (result.error ? result.error.message : (result.stdout + result.stderr).trim());
const outcome = (result) => (result.status === 0 ? null : failed(result));

function install() {
  const npm = process.env.npm_execpath;
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund'];
  const result = npm && /\.[cm]?js$/.test(npm) ? run(process.execPath, [npm, ...args]) : run('npm', args);
  if (result.status === 0) return null;
  const text = failed(result);
  const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|network/i.test(text);
  return unreachable
    ? text +
        '\n\nThe package registry cannot be reached. Check the network, or point npm at a mirror: npm config set registry URL'
    : text;
}

function generate() {
  mkdirSync(join(root, 'gen'), { recursive: true });
  const bin = join(root, 'node_modules', 'protobufjs-cli', 'bin');
  const files = readdirSync(join(root, 'proto/vedette/v1')).map((name) => 'proto/vedette/v1/' + name);
  const flags = '-t static-module -w es6 --es6 --force-number --no-service --no-verify --no-delimited'.split(' ');
  const code = run(process.execPath, [join(bin, 'pbjs'), ...flags, '-p', 'proto', '-o', 'gen/proto.js', ...files]);
  if (code.status !== 0) return failed(code);
  return outcome(run(process.execPath, [join(bin, 'pbts'), '-o', 'gen/proto.d.ts', 'gen/proto.js']));
}

/** Without a compiler the TypeScript kernels serve: slower, and the same in every result. */
function native() {
  const compiler = process.env.CXX || 'g++';
  if (spawnSync(compiler, ['--version']).status !== 0) {
    say(
      '!! No C++ compiler (' +
        compiler +
        '): checksums run in TypeScript, several times slower. Install g++ and run this again.',
    );
    return null;
  }
  mkdirSync(join(root, 'dist/native'), { recursive: true });
  const headers = join(root, 'node_modules/node-api-headers/include');
  const flags = [
    '-O3',
    '-std=c++20',
    '-shared',
    '-fPIC',
    '-fno-exceptions',
    '-fno-rtti',
    '-fvisibility=hidden',
    '-DNAPI_VERSION=8',
    '-I',
    headers,
  ];
  const platform = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];
  return outcome(run(compiler, [...flags, ...platform, '-o', 'dist/native/vedette.node', 'native/crc32c.cc']));
}

function program() {
  return outcome(run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']));
}

function pages() {
  return outcome(
    run(process.execPath, [
      join(root, 'node_modules/vite/bin/vite.js'),
      'build',
      '--config',
      'web/vite.config.ts',
      '--logLevel',
      'warn',
    ]),
  );
}

/** Two set-ups at once would write over each other: the second waits for the first, or takes over from a dead one. */
function withLock(act) {
  const lock = join(root, '.setup.lock');
  for (let waited = 0; ; waited++) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' });
      break;
    } catch {
      const holder = Number(existsSync(lock) ? readFileSync(lock, 'utf8') : 0);
      let alive = false;
      try {
        alive = holder > 0 && process.kill(holder, 0);
      } catch {
        alive = false;
      }
      if (!alive) rmSync(lock, { force: true });
      else if (waited === 0) say('another set-up is running (process ' + holder + '); waiting for it');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    }
  }
  const release = () => rmSync(lock, { force: true });
  process.on('exit', release);
  act();
  release();
}

checkNode();
withLock(() => {
  step('install', 'installing dependencies', ['package-lock.json'], ['node_modules/.package-lock.json'], install);
  step('generate', 'generating messages', ['proto'], ['gen/proto.js', 'gen/proto.d.ts'], generate);
  step('native', 'building the native addon', ['native'], [], native);
  step(
    'program',
    'compiling',
    ['src', 'proto', 'tsconfig.json', 'tsconfig.build.json', 'package-lock.json'],
    ['dist/cli/main.js'],
    program,
  );
  step(
    'pages',
    'building the pages',
    ['web', 'proto/vedette/v1/monitor.proto', 'package-lock.json'],
    ['dist/web/index.html'],
    pages,
  );
});
