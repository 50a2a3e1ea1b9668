// Sets up whatever is missing or stale: dependencies, generated messages, the native addon, the program, the pages. When nothing has
// changed it only compares file times. Plain JavaScript without dependencies, in syntax that old versions of Node can read (so that
// they can be told what is wrong), and without git: an unpacked archive is set up as well as a clone.
//
// `node scripts/setup.mjs` sets up everything; with names of steps (`generate native program pages`) it does just these, anew.
import { spawnSync } from 'child_process';
import { createHash } from 'crypto';
import fs from 'fs';
import { dirname, join } from 'path';
import { fileURLToPath } from 'url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const stamps = join(root, 'node_modules', '.cache', 'vedette');
/** Started by itself, not imported by `npm start` or `npm test`, whose words are not meant for it. */
const alone = process.argv[1] !== undefined && process.argv[1].endsWith(join('scripts', 'setup.mjs'));
const forced = alone ? process.argv.slice(2) : [];

function say(line) {
  process.stderr.write(line + '\n');
}

/** What package.json asks for under `engines`: `>=20.12`. */
function checkNode() {
  const least = JSON.parse(fs.readFileSync(join(root, 'package.json'), 'utf8')).engines.node.replace('>=', '');
  const wanted = least.split('.').map(Number);
  const found = process.versions.node.split('.').map(Number);
  if (found[0] > wanted[0] || (found[0] === wanted[0] && found[1] >= wanted[1])) return;
  say('vedette needs Node ' + least + ' or newer; this is ' + process.version + '.');
  say('Install a newer one: from https://nodejs.org/, from your distribution, or with nvm (nvm install 22).');
  process.exit(1);
}

/** Every file below the given paths, with size and time: equal fingerprints mean that nothing was touched. */
function fingerprint(paths) {
  const hash = createHash('sha256').update(process.platform + ' ' + process.arch + '\n');
  const add = (path) => {
    const stats = fs.statSync(path);
    if (stats.isDirectory()) for (const name of fs.readdirSync(path).sort()) add(join(path, name));
    else hash.update(path.slice(root.length) + ':' + stats.size + ':' + stats.mtimeMs + '\n');
  };
  for (const path of paths) if (fs.existsSync(join(root, path))) add(join(root, path));
  return hash.digest('hex');
}

const isAskedFor = (name) => forced.length === 0 || forced.indexOf(name) >= 0;

/** What a step last ran for. */
function stampOf(name) {
  const stamp = join(stamps, name);
  return fs.existsSync(stamp) ? fs.readFileSync(stamp, 'utf8') : '';
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
  if (!isAskedFor(name)) return;
  const print = fingerprint(inputs);
  const isThere = outputs.every((output) => fs.existsSync(join(root, output)));
  if (isThere && stampOf(name) === print && forced.indexOf(name) < 0) return;
  fs.rmSync(join(stamps, name), { force: true });
  timed(what, act);
  // Not what could not be made this time: it is tried again at the next.
  if (!outputs.every((output) => fs.existsSync(join(root, output)))) return;
  fs.mkdirSync(stamps, { recursive: true });
  fs.writeFileSync(join(stamps, name), print);
}

function timed(what, act) {
  const began = Date.now();
  if (process.stderr.isTTY) process.stderr.write('  ' + what + ' …');
  else if (act === install) say('  ' + what + ' …');
  const problem = act();
  const seconds = ((Date.now() - began) / 1000).toFixed(1) + ' s';
  if (process.stderr.isTTY) process.stderr.write('\r\x1b[2K');
  if (problem !== null) {
    say('✘ ' + what + ' failed after ' + seconds + '\n' + problem);
    process.exit(1);
  }
  say('✔ ' + what + ' (' + seconds + ')');
}

const failed = (result) => (result.error ? result.error.message : (result.stdout + result.stderr).trim());
const outcome = (result) => (result.status === 0 ? null : failed(result));

/** Is everything installed that package-lock.json names, in its versions? What npm left out for another platform may be missing. */
function isInstalled() {
  const kept = join(root, 'node_modules', '.package-lock.json');
  if (!fs.existsSync(kept)) return false;
  const wanted = JSON.parse(fs.readFileSync(join(root, 'package-lock.json'), 'utf8')).packages;
  const found = JSON.parse(fs.readFileSync(kept, 'utf8')).packages;
  return Object.keys(wanted).every((path) => {
    if (path === '') return true;
    if (found[path] === undefined) return wanted[path].optional === true;
    if (!fs.existsSync(join(root, path, 'package.json'))) return false;
    return found[path].version === wanted[path].version && found[path].integrity === wanted[path].integrity;
  });
}

function install() {
  const npm = process.env.npm_execpath;
  // npm's own patience with a registry that does not answer is over a minute.
  const patience = ['--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=8000'];
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund'].concat(patience);
  // Under npm its own script is there; under other package managers, and by hand, the `npm` on PATH.
  const isNpm = npm !== undefined && /npm-cli\.[cm]?js$/.test(npm);
  const result = isNpm ? run(process.execPath, [npm].concat(args)) : run('npm', args);
  if (result.status === 0) return null;
  if (result.error && result.error.code === 'ENOENT')
    return 'npm is not on PATH. It comes with Node: https://nodejs.org/';
  const text = failed(result);
  const unreachable = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|EHOSTUNREACH|ENETUNREACH|network/.test(
    text,
  );
  const advice =
    'The package registry cannot be reached. Check the network and the proxy (npm config get proxy), or name a mirror:\n' +
    '  npm config set registry https://your.mirror.example/\nThen run the same command again.';
  return unreachable ? text + '\n\n' + advice : text;
}

function generate() {
  fs.mkdirSync(join(root, 'gen'), { recursive: true });
  const bin = join(root, 'node_modules', 'protobufjs-cli', 'bin');
  const places = ['proto/grpc/health/v1', 'proto/vedette/v1'];
  const files = [].concat(
    ...places.map((place) => fs.readdirSync(join(root, place)).map((name) => place + '/' + name)),
  );
  const flags = '-t static-module -w es6 --es6 --force-number --no-service --no-verify --no-delimited'.split(' ');
  const code = run(
    process.execPath,
    [join(bin, 'pbjs')].concat(flags, ['-p', 'proto', '-o', 'gen/proto.js'], files.sort()),
  );
  if (code.status !== 0) return failed(code);
  return outcome(run(process.execPath, [join(bin, 'pbts'), '-o', 'gen/proto.d.ts', 'gen/proto.js']));
}

/** The first of the usual compilers that is there. */
function findCompiler() {
  const candidates = process.env.CXX ? [process.env.CXX] : ['g++', 'c++', 'clang++'];
  return candidates.find((name) => spawnSync(name, ['--version']).status === 0);
}

/** Without a compiler the TypeScript kernels serve: slower, and the same in every result. Compilers write beside, then it is renamed:
 *  a process that has the old one loaded keeps it. */
function native(compiler) {
  fs.mkdirSync(join(root, 'dist/native'), { recursive: true });
  const flags = ['-O3', '-std=c++20', '-shared', '-fPIC', '-fno-exceptions', '-fno-rtti', '-fvisibility=hidden'];
  const headers = ['-DNAPI_VERSION=8', '-D_FILE_OFFSET_BITS=64', '-I', 'node_modules/node-api-headers/include'];
  const platform = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];
  const beside = 'dist/native/vedette.node.' + process.pid;
  const sources = fs.readdirSync(join(root, 'native')).filter((name) => name.endsWith('.cc'));
  const paths = sources.sort().map((name) => 'native/' + name);
  const result = run(compiler, flags.concat(headers, platform, ['-o', beside], paths));
  if (result.status !== 0) {
    fs.rmSync(join(root, beside), { force: true });
    return failed(result);
  }
  fs.renameSync(join(root, beside), join(root, 'dist/native/vedette.node'));
  return null;
}

function nativeStep() {
  if (!isAskedFor('native')) return;
  const print = fingerprint(['native', 'scripts/setup.mjs']);
  const output = join(root, 'dist/native/vedette.node');
  if (fs.existsSync(output) && stampOf('native') === print && forced.indexOf('native') < 0) return;
  const compiler = findCompiler();
  if (compiler === undefined) {
    say(
      '!! No C++ compiler: checksums run in TypeScript, several times slower, and writes are synced in two steps. Install g++ and run this again.',
    );
    return;
  }
  step('native', 'building the native addon', ['native', 'scripts/setup.mjs'], ['dist/native/vedette.node'], () =>
    native(compiler),
  );
}

/** The generated messages are JavaScript already. */
function program() {
  fs.mkdirSync(join(root, 'dist/gen'), { recursive: true });
  fs.copyFileSync(join(root, 'gen/proto.js'), join(root, 'dist/gen/proto.js'));
  return outcome(run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json']));
}

function pages() {
  const vite = join(root, 'node_modules/vite/bin/vite.js');
  return outcome(run(process.execPath, [vite, 'build', '--config', 'web/vite.config.ts', '--logLevel', 'warn']));
}

/** A process, told apart from a later one with the same number. */
function processName(pid) {
  try {
    const stat = fs.readFileSync('/proc/' + pid + '/stat', 'utf8');
    return pid + ' ' + stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return String(pid);
  }
}

function isRunning(name) {
  const pid = Number(name.split(' ')[0]);
  try {
    process.kill(pid, 0);
  } catch (error) {
    return error.code === 'EPERM';
  }
  return processName(pid) === name;
}

/** Two set-ups at once would write over each other: the second waits for the first, or takes over from a dead one. */
function withLock(act) {
  const lock = join(root, '.setup.lock');
  const mine = lock + '.' + process.pid;
  fs.writeFileSync(mine, processName(process.pid));
  const take = () => {
    try {
      // A link appears at once and whole: nobody ever reads a lock that does not name its holder yet.
      fs.linkSync(mine, lock);
      return true;
    } catch (error) {
      if (error.code === 'EEXIST') return false;
      throw error;
    }
  };
  try {
    for (let waited = 0; !take(); waited++) {
      const holder = readOrEmpty(lock);
      if (holder !== '' && !isRunning(holder)) takeAway(lock, holder);
      else if (waited === 0) say('  another set-up is running (process ' + holder.split(' ')[0] + '); waiting for it');
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  } finally {
    fs.unlinkSync(mine);
  }
  const release = () => {
    if (readOrEmpty(lock) === processName(process.pid)) fs.rmSync(lock, { force: true });
  };
  process.on('exit', release);
  act();
  release();
}

/** Only what was looked at: of two that find the same dead holder, one gets it, and the other does not take the new one's. */
function takeAway(lock, holder) {
  const aside = lock + '.dead.' + process.pid;
  try {
    fs.renameSync(lock, aside);
    if (fs.readFileSync(aside, 'utf8') !== holder) fs.linkSync(aside, lock);
    fs.unlinkSync(aside);
  } catch {
    // Somebody else was faster.
  }
}

function readOrEmpty(path) {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

checkNode();
const unknown = forced.find((name) => ['generate', 'native', 'program', 'pages'].indexOf(name) < 0);
if (unknown !== undefined) {
  say('setup: unknown step ' + unknown + '; the steps are: generate native program pages');
  process.exit(2);
}
withLock(() => {
  if (!isInstalled()) timed('installing dependencies', install);
  const tools = ['package-lock.json', 'scripts/setup.mjs'];
  step('generate', 'generating messages', ['proto'].concat(tools), ['gen/proto.js', 'gen/proto.d.ts'], generate);
  nativeStep();
  const sources = ['src', 'scenarios/engine', 'bench', 'proto', 'tsconfig.json', 'tsconfig.build.json'];
  step('program', 'compiling', sources.concat(tools), ['dist/src/cli/main.js'], program);
  const web = ['web', 'proto/vedette/v1/monitor.proto'];
  step('pages', 'building the pages', web.concat(tools), ['dist/web/index.html'], pages);
});
