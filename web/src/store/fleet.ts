// All hosts, for the first page: who they are (REST, then events), and a minute of their main figures (the stream).
import { createSignal, onCleanup } from 'solid-js';
import { createStore, reconcile } from 'solid-js/store';
import { subscribe } from '../stream/connection.ts';
import { createHostData, type HostData } from './host-data.ts';

export interface Host {
  readonly hostId: string;
  readonly state: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly lastSeen: number;
  readonly owner: string;
  readonly shard: number;
}

const KEEP_SECONDS = 90;
const METRICS = [
  'system.cpu.utilization',
  'system.memory.utilization',
  'system.filesystem.utilization',
  'system.network.io',
  'system.cpu.load_average.1m',
];

export function createFleet() {
  const [hosts, setHosts] = createStore<Host[]>([]);
  const [complete, setComplete] = createSignal(true);
  const [problem, setProblem] = createSignal<string | null>(null);
  const [version, setVersion] = createSignal(0);
  const data = new Map<string, HostData>();
  let asking = false;

  async function load(): Promise<void> {
    if (asking) return;
    asking = true;
    try {
      const response = await fetch('/api/v1/hosts');
      const answer = await response.json();
      if (!response.ok) throw new Error(answer?.error?.message ?? response.statusText);
      setHosts(reconcile(answer.hosts, { key: 'hostId' }));
      setComplete(answer.complete);
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    } finally {
      asking = false;
    }
  }

  function of(hostId: string): HostData {
    let host = data.get(hostId);
    if (host === undefined) {
      host = createHostData(KEEP_SECONDS);
      data.set(hostId, host);
      if (!hosts.some((known) => known.hostId === hostId)) void load();
    }
    return host;
  }

  const unsubscribe = subscribe(
    { hosts: ['*'], metrics: METRICS, delivery: 'latest', backfillMs: 60_000, events: true },
    {
      data(message) {
        for (const rows of message.rows) of(rows.hostId).add(rows);
        if (message.events.some(({ kind }) => kind === 'host')) void load();
        setVersion((count) => count + 1);
      },
    },
  );
  // Events tell changes at once; asking again now and then heals whatever was missed while the link was down.
  const timer = setInterval(() => void load(), 5_000);
  void load();
  onCleanup(() => {
    clearInterval(timer);
    unsubscribe();
  });

  return { hosts, complete, problem, version, data: (hostId: string) => data.get(hostId) };
}
