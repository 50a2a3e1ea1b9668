// What `vedette up` shows: one calm screen on a terminal, plain lines elsewhere.
import { styleText } from 'node:util';
import type { ChildView, Supervisor } from '../actors/supervisor.ts';

export interface Screen {
  say(line: string): void;
  ready(): void;
  close(): void;
}

export interface ScreenPorts {
  readonly supervisor: Supervisor;
  readonly dashboard: string;
  readonly brokerHttp: readonly string[];
  readonly logs: string;
}

const EVERY_MS = 1_000;
const NEWS_KEPT = 6;

export function openScreen(ports: ScreenPorts): Screen {
  return process.stdout.isTTY ? terminalScreen(ports) : plainScreen();
}

function plainScreen(): Screen {
  return {
    say: (line) => process.stderr.write(`${new Date().toISOString()} ${line}\n`),
    ready: () => {},
    close: () => {},
  };
}

interface ClusterAnswer {
  readonly leader: string | null;
  readonly shards: readonly { readonly leader: string | null }[];
}
interface FiguresAnswer {
  readonly ackedRows: number;
  readonly samplesApplied: number;
  readonly hosts: number;
}

interface Figures {
  readonly leader: string | null;
  readonly leads: ReadonlyMap<string, number>;
  readonly rowsPerSecond: number | null;
  readonly hosts: number;
}

function terminalScreen({ supervisor, dashboard, brokerHttp, logs }: ScreenPorts): Screen {
  const news: string[] = [];
  let figures: Figures = { leader: null, leads: new Map(), rowsPerSecond: null, hosts: 0 };
  let before: { readonly rows: number; readonly at: number } | null = null;
  let drawn = 0;
  let isReady = false;

  async function look(): Promise<void> {
    const [cluster, ...perBroker] = await Promise.all([
      firstOf<ClusterAnswer>(brokerHttp, '/api/v1/cluster/status'),
      ...brokerHttp.map((address) => ask<FiguresAnswer>(address, '/api/v1/cluster/metrics')),
    ]);
    const answered = perBroker.filter((answer) => answer !== null);
    const rows = answered.reduce((total, { ackedRows }) => total + ackedRows, 0);
    const now = performance.now();
    const whole = answered.length === brokerHttp.length;
    const rate =
      before === null || !whole || rows < before.rows ? null : ((rows - before.rows) * 1000) / (now - before.at);
    before = whole ? { rows, at: now } : null;
    const leads = new Map<string, number>();
    for (const { leader } of cluster?.shards ?? [])
      if (leader !== null) leads.set(leader, (leads.get(leader) ?? 0) + 1);
    figures = {
      leader: cluster?.leader ?? null,
      leads,
      rowsPerSecond: rate,
      hosts: Math.max(0, ...answered.map(({ hosts }) => hosts)),
    };
  }

  function draw(): void {
    const lines = [
      '',
      `  ${styleText('bold', 'vedette')}   ${isReady ? styleText('cyan', `http://${dashboard}/`) : styleText('dim', 'starting …')}`,
      '',
      ...supervisor.children.map((child) => `  ${childLine(child, figures)}`),
      '',
      `  ${figures.hosts} ${figures.hosts === 1 ? 'host' : 'hosts'} · ${figures.rowsPerSecond === null ? '–' : figures.rowsPerSecond.toFixed(1)} rows/s acknowledged`,
      styleText('dim', `  logs in ${logs} · Ctrl-C stops everything`),
      '',
      ...news.map((line) => `  ${line}`),
    ];
    const up = drawn === 0 ? '' : `\x1b[${drawn}A`;
    process.stdout.write(`${up}${lines.map((line) => `\x1b[2K${line}`).join('\n')}\n\x1b[0J`);
    drawn = lines.length;
  }

  const timer = setInterval(() => {
    void look().then(draw);
  }, EVERY_MS);
  draw();
  return {
    say(line) {
      news.push(`${styleText('dim', new Date().toLocaleTimeString())}  ${line}`);
      if (news.length > NEWS_KEPT) news.shift();
      draw();
    },
    /** The line that says so stands above the screen, which is drawn anew below it. */
    ready() {
      isReady = true;
      if (drawn > 0) process.stdout.write(`\x1b[${drawn}A\x1b[0J`);
      drawn = 0;
    },
    close: () => clearInterval(timer),
  };
}

function childLine({ name, state, pid, restarts, since }: ChildView, { leader, leads }: Figures): string {
  const color = state === 'ready' ? 'green' : state === 'failed' ? 'red' : 'yellow';
  const role =
    leads.has(name) || leader === name
      ? `leads ${leads.get(name) ?? 0} shards${leader === name ? ' and the control group' : ''}`
      : '';
  const again = restarts === 0 ? '' : styleText('yellow', `  restarted ${restarts}×`);
  const age = `${Math.round((Date.now() - since) / 1000)} s`;
  return `${styleText(color, '●')} ${name.padEnd(10)} ${state.padEnd(10)} pid ${String(pid ?? '–').padEnd(7)} ${age.padStart(6)}  ${styleText('dim', role)}${again}`;
}

async function ask<T>(address: string, path: string): Promise<T | null> {
  try {
    const response = await fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(800) });
    return response.ok ? ((await response.json()) as T) : null;
  } catch {
    return null;
  }
}

async function firstOf<T>(addresses: readonly string[], path: string): Promise<T | null> {
  for (const address of addresses) {
    const answer = await ask<T>(address, path);
    if (answer !== null) return answer;
  }
  return null;
}
