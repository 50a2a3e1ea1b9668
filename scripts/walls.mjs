// The walls of the house, checked line by line (docs/architecture.md, laws 1, 4, 6 and 9):
//
//   1  machines and core import nothing of the world and touch nothing of it; machines neither invoke nor spawn nor send to actors
//   4  transports are constructed by cli and by scenarios/engine/live alone; servers' and clients' packages are named nowhere else
//   6  core ← machines ← streams ← actors ← scenarios, cli; web imports nothing of the rest
//   9  nobody but the port adapters owns time or chance
//
// `node scripts/walls.mjs [DIR]` checks DIR (default: the repository) and exits 1 when something is wrong. Circles and dropped promises
// are oxlint's part.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url))));

/** Rooms from the ground up: each may import itself and those before it. */
const ROOMS = ['src/core', 'src/machines', 'src/streams', 'src/actors', 'scenarios', 'src/cli'];
/** Rooms without a world: what they may import besides themselves. */
const PURE_PACKAGES = { 'src/core': [], 'src/machines': ['xstate'] };
/** The generated messages have one door. */
const PROTO_FILES = /^src\/core\/proto[\w-]*\.ts$/;
/** Packages that talk to the network or to servers, and the files that turn them into messages. */
const OUTSIDE_PACKAGES = /^(?:@grpc\/|ws$|ioredis$|node:(?:net|http|http2|https|tls|dgram|child_process)$)/;
const OUTSIDE_ADAPTERS = ['src/actors/transports/', 'src/actors/stores/', 'src/cli/', 'scenarios/engine/live/'];

/** The port adapters: the only files below that may ask the system for time, timers or chance. */
const ADAPTERS = [
  'src/streams/real-clock.ts',
  'src/actors/transports/',
  'src/actors/stores/node-disk.ts',
  // The runner measures its real speed.
  'scenarios/engine/sim/main.ts',
  'scenarios/engine/sim/scenario-main.ts',
];
const TIMELESS_ROOMS = ['src/core/', 'src/machines/', 'src/streams/', 'src/actors/', 'scenarios/engine/sim/'];
const OWNERS_OF_TIME = new RegExp(
  [
    /\b(?:setTimeout|setInterval|setImmediate|queueMicrotask|nextTick|hrtime)\b/,
    /\bperformance\b(?!['"\]])/,
    /\bDate\.now\b|\bnew Date\(\s*\)|(?<!new )\bDate\(/,
    /\bprocess\.(?:uptime|cpuUsage)\b|\bAbortSignal\.timeout\b|\bAtomics\.wait/,
    /\bMath\.random\b|\b(?:randomUUID|randomBytes|randomInt|randomFill|randomFillSync|getRandomValues)\b/,
    /['"](?:node:)?(?:timers(?:\/promises)?|perf_hooks)['"]/,
  ]
    .map(({ source }) => source)
    .join('|'),
);
const RXJS_OWNERS =
  /import\s*(?:type\s*)?\{[^}]*\b(interval|timer|delay|delayWhen|bufferTime|debounceTime|throttleTime|auditTime|sampleTime|windowTime|timeout|timeoutWith|timestamp|timeInterval|animationFrames|asyncScheduler|asapScheduler|queueScheduler|animationFrameScheduler|retry|repeat)\b[^}]*\}\s*from\s*['"]rxjs/;
const RXJS_WHOLE = /import\s*\*\s*as\s+\w+\s+from\s*['"]rxjs/;
const LIVE_ACTORS =
  /\binvoke\s*:|\b(?:spawn|spawnChild|sendTo|sendParent|forwardTo|stopChild|createActor|fromPromise|fromObservable|fromCallback)\s*\(/;
/** Globals of the world, and promises, whose continuations nobody can revoke. */
const WORLD =
  /(?<![.\w])(?:process|Buffer|console|globalThis)\s*[.([]|\bfetch\s*\(|\bnew (?:WebSocket|Worker)\b|\brequire\s*\(/;
const PROMISES = /\bnew Promise\b|\bPromise\.|\basync\b|\bawait\b/;

const IMPORTS =
  /(?:import|export)\s[^;'"]*?from\s*['"]([^'"]+)['"]|import\s*['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g;

const problems = [];
const complain = (file, line, what) => problems.push(`${file}:${line}  ${what}`);

function* sources(directory) {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory() && !['node_modules', 'dist', 'gen'].includes(entry.name)) yield* sources(path);
    else if (/\.[cm]?[jt]sx?$/.test(entry.name)) yield path;
  }
}

const roomOf = (file) => ROOMS.find((room) => file.startsWith(`${room}/`));
const isIn = (file, places) => places.some((place) => file.startsWith(place));
const lineOf = (text, index) => text.slice(0, index).split('\n').length;
/** Without comments: words in prose are no calls. Lines keep their numbers. */
const withoutComments = (text) =>
  text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' ')).replace(/(^|[^:'"`])\/\/.*$/gm, '$1');

function checkPackage(file, line, target) {
  const pure = PURE_PACKAGES[roomOf(file)];
  if (target.startsWith('protobufjs')) {
    if (file.startsWith('src/') && !PROTO_FILES.test(file))
      complain(file, line, `law 1: ${target} is imported by src/core/proto*.ts alone`);
  } else if (pure !== undefined && !pure.includes(target)) {
    complain(file, line, `law 1: ${roomOf(file)} imports ${target}`);
  } else if (roomOf(file) !== undefined && OUTSIDE_PACKAGES.test(target) && !isIn(file, OUTSIDE_ADAPTERS)) {
    complain(file, line, `law 4: ${target} belongs to actors/transports and actors/stores`);
  }
}

function checkFile(file, line, target, isTypes) {
  if (file.startsWith('web/') && !target.startsWith('web/')) complain(file, line, `law 6: web imports ${target}`);
  const room = roomOf(file);
  if (room === undefined) return;
  const targetRoom = roomOf(target);
  if (target.startsWith('gen/')) {
    if (!PROTO_FILES.test(file)) complain(file, line, `law 6: generated messages come from src/core/proto.ts`);
  } else if (targetRoom === undefined) {
    complain(file, line, `law 6: ${room} imports ${target}, which is in no room`);
  } else if (ROOMS.indexOf(targetRoom) > ROOMS.indexOf(room)) {
    complain(file, line, `law 6: ${room} imports ${targetRoom}`);
  }
  if (!isTypes && target.startsWith('src/actors/transports/') && !isIn(file, OUTSIDE_ADAPTERS))
    complain(file, line, `law 4: only cli and scenarios/engine/live construct ${target}`);
}

function checkImports(file, text) {
  for (const match of text.matchAll(IMPORTS)) {
    const target = match[1] ?? match[2] ?? match[3];
    const line = lineOf(text, match.index);
    if (!target.startsWith('.')) {
      checkPackage(file, line, target);
      continue;
    }
    const path = relative(root, resolve(root, dirname(file), target));
    checkFile(file, line, path.split(sep).join('/'), /^(?:import|export)\s+type\b/.test(match[0]));
  }
}

function checkLines(file, text) {
  const isTimeless = isIn(file, TIMELESS_ROOMS) && !isIn(file, ADAPTERS);
  const isMachine = file.startsWith('src/machines/');
  const isPure = isMachine || file.startsWith('src/core/');
  const rules = [
    [isTimeless, OWNERS_OF_TIME, (found) => `law 9: ${found} belongs to the port adapters; take a Clock or a Random`],
    [isPure, WORLD, (found) => `law 1: ${found} is of the world; it comes as an event, and leaves as an effect`],
    [isMachine, PROMISES, (found) => `law 1: a machine has no promises (${found})`],
    [isMachine, LIVE_ACTORS, (found) => `law 1: a machine does not ${found}`],
  ];
  text.split('\n').forEach((line, at) => {
    for (const [applies, pattern, what] of rules) {
      const found = applies ? pattern.exec(line) : null;
      if (found !== null) complain(file, at + 1, what(found[0]));
    }
  });
  if (!isTimeless) return;
  const owner = RXJS_OWNERS.exec(text);
  if (owner !== null)
    complain(file, lineOf(text, owner.index), `law 9: rxjs's ${owner[1]} owns time; use what streams/ has`);
  const whole = RXJS_WHOLE.exec(text);
  if (whole !== null) complain(file, lineOf(text, whole.index), 'law 9: import what you need of rxjs by name');
}

let files = 0;
for (const room of ['src', 'scenarios', 'web']) {
  for (const path of sources(join(root, room))) {
    const file = relative(root, path).split(sep).join('/');
    const text = withoutComments(readFileSync(path, 'utf8'));
    files++;
    checkImports(file, text);
    checkLines(file, text);
  }
}
for (const problem of problems) console.error(problem);
console.error(
  problems.length === 0 ? `walls: ${files} files stand where they should` : `walls: ${problems.length} problems`,
);
process.exit(problems.length === 0 ? 0 : 1);
