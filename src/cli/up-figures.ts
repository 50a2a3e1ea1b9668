// Figures of a running cluster for the screen, asked from its brokers' HTTP faces.

export interface Figures {
  /** Of the control group. */
  readonly leader: string | null;
  /** How many shards each broker leads. */
  readonly leads: ReadonlyMap<string, number>;
  /** Null while not every broker answers: a part would look like a fall. */
  readonly rowsPerSecond: number | null;
  readonly hosts: number | null;
}

export const noFigures: Figures = { leader: null, leads: new Map(), rowsPerSecond: null, hosts: null };

interface StatusAnswer {
  readonly leader: string | null;
  readonly shards: readonly { readonly leader: string | null }[];
}
interface MetricsAnswer {
  readonly ackedRows: number;
  readonly hosts: number;
}

const PATIENCE_MS = 800;

/**
 * @param brokersNow addresses of all brokers. @param replicas how many of them hold each host, where there are so many.
 * @returns looks anew at each call; rates are over the time since the call before.
 */
export function clusterFigures(brokersNow: () => readonly string[], replicas: number): () => Promise<Figures> {
  let before: { readonly rows: number; readonly at: number } | null = null;
  return async () => {
    const brokerHttp = brokersNow();
    const copies = Math.min(brokerHttp.length, replicas);
    const [status, ...perBroker] = await Promise.all([
      firstOf<StatusAnswer>(brokerHttp, '/api/v1/cluster/status'),
      ...brokerHttp.map((address) => ask<MetricsAnswer>(address, '/api/v1/cluster/metrics')),
    ]);
    const answered = perBroker.filter((answer) => answer !== null);
    const isWhole = answered.length === brokerHttp.length;
    const rows = answered.reduce((total, { ackedRows }) => total + ackedRows, 0);
    const now = performance.now();
    const seconds = before === null ? 0 : (now - before.at) / 1000;
    // A broker that was started again counts from zero.
    const grown = before === null || !isWhole || rows < before.rows ? null : rows - before.rows;
    before = isWhole ? { rows, at: now } : null;
    const leads = new Map<string, number>();
    for (const { leader } of status?.shards ?? []) if (leader !== null) leads.set(leader, (leads.get(leader) ?? 0) + 1);
    return {
      leader: status?.leader ?? null,
      leads,
      rowsPerSecond: grown === null || seconds === 0 ? null : grown / seconds,
      // Each broker counts the hosts it holds.
      hosts: isWhole ? Math.round(answered.reduce((total, { hosts }) => total + hosts, 0) / copies) : null,
    };
  };
}

async function ask<T>(address: string, path: string): Promise<T | null> {
  try {
    const response = await fetch(`http://${address}${path}`, { signal: AbortSignal.timeout(PATIENCE_MS) });
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
