// What `vedette up` shows: one calm screen on a terminal, drawn in place at most twice a second; plain lines elsewhere.
import type { ChildView } from '../actors/supervisor.ts';
import { type Paint, paintFor } from './paint.ts';
import { clusterFigures, type Figures, noFigures } from './up-figures.ts';

export interface Screen {
  say(line: string): void;
  /** Everything runs. What is printed after this call stays above whatever is drawn later. */
  ready(): void;
  close(): void;
}

export interface ScreenPorts {
  readonly children: () => readonly ChildView[];
  /** What is told of a child besides: where it listens. */
  readonly places: ReadonlyMap<string, string>;
  readonly dashboard: string;
  /** Where each broker answers, by its id. */
  readonly brokerHttp: ReadonlyMap<string, string>;
  /** How many brokers are to hold each host. */
  readonly replicas: number;
  readonly logs: string;
}

const LOOK_EVERY_MS = 1_000;
const DRAW_EVERY_MS = 500;
const NEWS_KEPT = 6;

export function openScreen(ports: ScreenPorts): Screen {
  return process.stdout.isTTY ? terminalScreen(ports, process.stdout) : plainScreen();
}

function plainScreen(): Screen {
  return {
    say: (line) => process.stderr.write(`${new Date().toISOString()} ${line}\n`),
    ready: () => {},
    close: () => {},
  };
}

function terminalScreen(ports: ScreenPorts, out: NodeJS.WriteStream): Screen {
  const paint = paintFor(out);
  const look = clusterFigures(() => inCluster(ports), ports.replicas);
  const news: string[] = [];
  let figures = noFigures;
  let isReady = false;
  let height = 0;
  let due: NodeJS.Timeout | null = null;
  let drawnAt = 0;

  function draw(): void {
    due = null;
    drawnAt = performance.now();
    const lines = renderScreen(
      { ...ports, children: ports.children(), figures, isReady, news, now: Date.now() },
      paint,
    );
    // One line less than the terminal has, so that it never scrolls what is drawn over next time.
    const shown = lines.slice(0, Math.max(1, out.rows - 1)).map((line) => `\x1b[2K${clip(line, out.columns)}\n`);
    out.write(`${backToTop()}${shown.join('')}\x1b[0J`);
    height = shown.length;
  }
  const backToTop = () => (height === 0 ? '' : `\x1b[${height}A`);
  function drawSoon(): void {
    due ??= setTimeout(draw, Math.max(0, drawnAt + DRAW_EVERY_MS - performance.now()));
  }

  const looking = setInterval(() => {
    void look().then((found) => {
      figures = found;
      drawSoon();
    });
  }, LOOK_EVERY_MS);
  // What was drawn breaks its lines anew when the width changes: begun again on a clear screen.
  const resized = () => {
    height = 0;
    out.write('\x1b[2J\x1b[H');
    drawSoon();
  };
  out.on('resize', resized);
  draw();
  return {
    say(line) {
      news.push(`${paint('dim', new Date().toLocaleTimeString())}  ${line}`);
      if (news.length > NEWS_KEPT) news.shift();
      drawSoon();
    },
    ready() {
      isReady = true;
      out.write(`${backToTop()}\x1b[0J`);
      height = 0;
      drawSoon();
    },
    close() {
      clearInterval(looking);
      if (due !== null) clearTimeout(due);
      out.off('resize', resized);
      draw();
    },
  };
}

/** One that has finished has left, and takes no part in sums. */
function inCluster({ brokerHttp, children }: ScreenPorts): string[] {
  const finished = new Set(children().flatMap(({ name, state }) => (state === 'stopped' ? [name] : [])));
  return [...brokerHttp].flatMap(([id, address]) => (finished.has(id) ? [] : [address]));
}

export interface ScreenContent {
  readonly children: readonly ChildView[];
  readonly places: ReadonlyMap<string, string>;
  readonly dashboard: string;
  readonly logs: string;
  readonly figures: Figures;
  readonly isReady: boolean;
  readonly news: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** The lines of the screen. */
export function renderScreen(content: ScreenContent, paint: Paint): string[] {
  const { children, dashboard, figures, isReady, logs, news } = content;
  const where = isReady ? paint('cyan', `http://${dashboard}/`) : paint('dim', 'starting …');
  const hosts = figures.hosts === null ? '–' : String(figures.hosts);
  const rate = figures.rowsPerSecond === null ? '–' : figures.rowsPerSecond.toFixed(1);
  return [
    '',
    `  ${paint('bold', 'vedette')}   ${where}`,
    '',
    ...children.map((child) => `  ${childLine(child, content, paint)}`),
    '',
    `  ${hosts} ${hosts === '1' ? 'host' : 'hosts'} · ${rate} rows/s acknowledged`,
    paint('dim', `  logs in ${logs} · Ctrl-C stops everything`),
    '',
    ...news.map((line) => `  ${line}`),
  ];
}

function childLine(child: ChildView, { figures, places, now }: ScreenContent, paint: Paint): string {
  const { name, state, pid, restarts, since } = child;
  const color = state === 'ready' ? 'green' : state === 'failed' ? 'red' : 'yellow';
  const placeWidth = Math.max(0, ...[...places.values()].map((place) => place.length));
  const led = figures.leads.get(name);
  const leads = [
    ...(led === undefined ? [] : [`${led} ${led === 1 ? 'shard' : 'shards'}`]),
    ...(figures.leader === name ? ['the control group'] : []),
  ];
  return [
    `${paint(color, '●')} ${name.padEnd(10)} ${state.padEnd(10)}`,
    (places.get(name) ?? '').padEnd(placeWidth),
    `pid ${String(pid ?? '–').padEnd(7)} ${age(now - since).padStart(5)}`,
    leads.length === 0 ? '' : paint('dim', `leads ${leads.join(' and ')}`),
    restarts === 0 ? '' : paint('yellow', `restarted ${restarts}×`),
  ]
    .filter((part) => part !== '')
    .join('  ');
}

function age(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} m` : `${Math.round(minutes / 60)} h`;
}

/** At most `width` characters of a line; colours take no room. */
export function clip(line: string, width: number): string {
  let room = width;
  let kept = '';
  let isColor = false;
  for (const character of line) {
    if (character === '\x1b') isColor = true;
    else if (!isColor && --room < 0) return `${kept}\x1b[0m`;
    else if (character === 'm') isColor = false;
    kept += character;
  }
  return kept;
}
