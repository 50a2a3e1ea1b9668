// The first page: a row per host.
import { For, Show } from 'solid-js';
import { bytesPerSecond, duration, percent, plainNumber } from '../parts/format.ts';
import { hostPath } from '../parts/router.ts';
import { Sparkline } from '../parts/sparkline.tsx';
import { columnsOf, type Points, plain, rate, sum } from '../store/derive.ts';
import { createFleet } from '../store/fleet.ts';
import type { HostData } from '../store/host-data.ts';

const lastOf = (points: Points): number | null => points.findLast((value) => value !== null) ?? null;

function single(data: HostData | undefined, metric: string): Points {
  const column = data?.columns.get(metric);
  return column === undefined ? [] : plain(column.values);
}

/** Of several file systems the fullest is the one to know of. */
function fullest(data: HostData | undefined): number | null {
  if (data === undefined) return null;
  const newest = columnsOf(data, 'system.filesystem.utilization').map(({ values }) => values.at(-1) ?? Number.NaN);
  const known = newest.filter((value) => !Number.isNaN(value));
  return known.length === 0 ? null : Math.max(...known);
}

function traffic(data: HostData | undefined, direction: string): Points {
  if (data === undefined) return [];
  const wanted = (labels: Readonly<Record<string, string>>) =>
    labels['network.io.direction'] === direction && labels['network.interface.name'] !== 'lo';
  return sum(columnsOf(data, 'system.network.io', wanted).map(({ values }) => rate(data.times, values)));
}

export function FleetPage() {
  const fleet = createFleet();
  const data = (hostId: string) => {
    fleet.version();
    return fleet.data(hostId);
  };
  const online = () => fleet.hosts.filter(({ state }) => state === 'online').length;

  return (
    <main>
      <header class="page-head">
        <h1>Hosts</h1>
        <p class="muted">
          {fleet.hosts.length} {fleet.hosts.length === 1 ? 'host' : 'hosts'}, {online()} online
        </p>
      </header>
      <Show when={fleet.problem()}>
        {(problem) => (
          <p class="notice" role="alert">
            The hosts could not be listed: {problem()}
          </p>
        )}
      </Show>
      <Show when={!fleet.complete()}>
        <p class="notice" role="status">
          Part of the cluster does not answer: this list may miss hosts.
        </p>
      </Show>
      <Show when={fleet.hosts.length > 0} fallback={<Empty />}>
        <div class="table-scroll">
          <table class="hosts">
            <thead>
              <tr>
                <th>Host</th>
                <th>State</th>
                <th colspan="2">CPU</th>
                <th colspan="2">Memory</th>
                <th class="number">Disk</th>
                <th class="number">In</th>
                <th class="number">Out</th>
                <th class="number">Load</th>
                <th class="number">Seen</th>
              </tr>
            </thead>
            <tbody>
              <For each={fleet.hosts}>
                {(host) => {
                  const cpu = () => single(data(host.hostId), 'system.cpu.utilization');
                  const memory = () => single(data(host.hostId), 'system.memory.utilization');
                  return (
                    <tr data-host={host.hostId}>
                      <th scope="row">
                        <a href={hostPath(host.hostId)}>{host.hostId}</a>
                      </th>
                      <td>
                        <span class="pill" data-state={host.state}>
                          {host.state}
                        </span>
                      </td>
                      <td class="number figure">{percent(lastOf(cpu()))}</td>
                      <td>
                        <Sparkline points={cpu()} max={1} label="CPU, last minute" />
                      </td>
                      <td class="number figure">{percent(lastOf(memory()))}</td>
                      <td>
                        <Sparkline points={memory()} max={1} label="Memory, last minute" />
                      </td>
                      <td class="number">{percent(fullest(data(host.hostId)))}</td>
                      <td class="number">{bytesPerSecond(lastOf(traffic(data(host.hostId), 'receive')))}</td>
                      <td class="number">{bytesPerSecond(lastOf(traffic(data(host.hostId), 'transmit')))}</td>
                      <td class="number">
                        {plainNumber(lastOf(single(data(host.hostId), 'system.cpu.load_average.1m')))}
                      </td>
                      <td class="number muted">{seen(data(host.hostId), host.lastSeen)}</td>
                    </tr>
                  );
                }}
              </For>
            </tbody>
          </table>
        </div>
      </Show>
    </main>
  );
}

/** The newest row in hand says it better than the list, which is asked for every few seconds. */
function seen(data: HostData | undefined, lastSeen: number): string {
  const newest = Math.max(lastSeen, (data?.times.at(-1) ?? 0) * 1000);
  const age = Date.now() - newest;
  return age < 2_500 ? 'now' : `${duration(age)} ago`;
}

function Empty() {
  return (
    <section class="empty">
      <h2>No host has reported yet</h2>
      <p>
        Start an agent on a host: <code>vedette agent --brokers ADDRESS</code>. It appears here within seconds.
      </p>
    </section>
  );
}
