// The walls of the house, checked line by line (docs/architecture.md, laws 1, 6 and 9):
//
//   1  machines and core import nothing of the world; machines neither invoke nor spawn nor send to actors
//   6  core ← machines ← streams ← actors ← scenarios, cli; web imports nothing of the rest
//   9  nobody but the port adapters owns time or chance
//
// `node scripts/walls.mjs [DIR]` checks DIR (default: the repository) and exits 1 when something is wrong.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url))));

/** Rooms from the ground up: each may import itself and those before it. */
const ROOMS = ['src/core', 'src/machines', 'src/streams', 'src/actors', 'scenarios', 'src/cli'];
/** Packages that are plain computation, and who may use them. */
const PURE_PACKAGES = { 'src/core': ['protobufjs/minimal.js'], 'src/machines': ['xstate'] };

/** The port adapters: the only files below that may ask the system for time, timers or chance. */
const ADAPTERS = [
  'src/streams/real-clock.ts',
  'src/streams/system-seed.ts',
  'src/actors/transports/',
  'src/actors/stores/node-disk.ts',
  'src/actors/agent/proc-collector.ts',
  'src/actors/agent/kept-file.ts',
  'src/actors/agent/filesystem-usage.ts',
  'src/actors/kernels.ts',
  // The runner measures its real speed.
  'scenarios/engine/sim/main.ts',
];
const TIMELESS_ROOMS = ['src/core/', 'src/machines/', 'src/streams/', 'src/actors/', 'scenarios/engine/sim/'];
const OWNERS_OF_TIME =
  /\b(setTimeout|setInterval|setImmediate|queueMicrotask|randomUUID|hrtime)\b|\bprocess\.nextTick\b|\bperformance\.|\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b/;
const RXJS_OWNERS =
  /import\s*(?:type\s*)?\{[^}]*\b(interval|timer|delay|delayWhen|bufferTime|debounceTime|throttleTime|auditTime|sampleTime|windowTime|timeout|timeoutWith|asyncScheduler|asapScheduler|queueScheduler|animationFrameScheduler|retry|repeat)\b[^}]*\}\s*from\s*'rxjs/;
const LIVE_ACTORS =
  /\binvoke\s*:|\b(spawn|spawnChild|sendTo|sendParent|forwardTo|stopChild|fromPromise|fromObservable|fromCallback)\s*\(/;

const problems = [];
const complain = (file, line, what) => problems.push(`${file}:${line}  ${what}`);

function* sources(directory) {
  if (!existsSync(directory)) return;
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory() && !['node_modules', 'dist', 'gen'].includes(entry.name)) yield* sources(path);
    else if (/\.[cm]?tsx?$/.test(entry.name)) yield path;
  }
}

const roomOf = (file) => ROOMS.find((room) => file.startsWith(`${room}/`));
/** Without comments: words in prose are no calls. Lines keep their numbers. */
const withoutComments = (text) =>
  text.replace(/\/\*[\s\S]*?\*\//g, (comment) => comment.replace(/[^\n]/g, ' ')).replace(/(^|[^:'"`])\/\/.*$/gm, '$1');

function checkImports(file, text) {
  const room = roomOf(file);
  const imports = text.matchAll(
    /(?:import|export)\s[^;]*?from\s*'([^']+)'|import\s*'([^']+)'|import\(\s*'([^']+)'\s*\)/g,
  );
  for (const match of imports) {
    const target = match[1] ?? match[2] ?? match[3];
    const line = text.slice(0, match.index).split('\n').length;
    if (!target.startsWith('.')) {
      const allowed = PURE_PACKAGES[room];
      if (allowed !== undefined && !allowed.includes(target)) complain(file, line, `law 1: ${room} imports ${target}`);
      continue;
    }
    const targetFile = relative(root, resolve(root, dirname(file), target))
      .split(sep)
      .join('/');
    if (file.startsWith('web/') && !targetFile.startsWith('web/'))
      complain(file, line, `law 6: web imports ${targetFile}`);
    const targetRoom = roomOf(targetFile);
    if (room === undefined || targetRoom === undefined) continue;
    if (ROOMS.indexOf(targetRoom) > ROOMS.indexOf(room)) complain(file, line, `law 6: ${room} imports ${targetRoom}`);
    if (room === 'src/cli' && targetRoom === 'scenarios') continue;
  }
}

function checkLines(file, text) {
  const timeless =
    TIMELESS_ROOMS.some((room) => file.startsWith(room)) && !ADAPTERS.some((adapter) => file.startsWith(adapter));
  text.split('\n').forEach((line, at) => {
    if (timeless) {
      const owner = OWNERS_OF_TIME.exec(line);
      if (owner !== null)
        complain(file, at + 1, `law 9: ${owner[0]} belongs to the port adapters; take a Clock or a Random`);
    }
    if (file.startsWith('src/machines/')) {
      const actor = LIVE_ACTORS.exec(line);
      if (actor !== null) complain(file, at + 1, `law 1: a machine does not ${actor[0]}`);
    }
  });
  const owner = timeless ? RXJS_OWNERS.exec(text) : null;
  if (owner !== null)
    complain(file, text.slice(0, owner.index).split('\n').length, `law 9: rxjs's ${owner[1]} owns time; use streams/`);
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
