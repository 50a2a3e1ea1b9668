// Every live statechart, as a plain list that follows along.
import { createMemo, createSignal, For, onCleanup, Show } from 'solid-js';
import { createStore, reconcile } from 'solid-js/store';
import { duration } from '../parts/format.ts';

interface Machine {
  readonly id: string;
  readonly kind: string;
  readonly machine: string;
  readonly state: string;
  readonly since: number;
}

const EVERY_MS = 1_000;

export function MachinesPage() {
  const [machines, setMachines] = createStore<Machine[]>([]);
  const [complete, setComplete] = createSignal(true);
  const [kind, setKind] = createSignal('');
  const [query, setQuery] = createSignal('');
  const [problem, setProblem] = createSignal<string | null>(null);
  let stopped = false;

  async function load(): Promise<void> {
    try {
      const response = await fetch('/api/v1/machines');
      const answer = await response.json();
      if (!response.ok) throw new Error(answer?.error?.message ?? response.statusText);
      setMachines(reconcile(answer.machines, { key: 'id' }));
      setComplete(answer.complete !== false);
      setProblem(null);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : String(error));
    }
    if (!stopped) timer = setTimeout(() => void load(), EVERY_MS);
  }

  let timer: ReturnType<typeof setTimeout> | undefined;
  void load();
  onCleanup(() => {
    stopped = true;
    clearTimeout(timer);
  });

  const kinds = createMemo(() => {
    const counts = new Map<string, number>();
    for (const { kind: name } of machines) counts.set(name, (counts.get(name) ?? 0) + 1);
    return [...counts].sort(([a], [b]) => a.localeCompare(b));
  });
  const shown = createMemo(() =>
    machines.filter(
      (machine) => (kind() === '' || machine.kind === kind()) && `${machine.id} ${machine.state}`.includes(query()),
    ),
  );

  return (
    <main>
      <header class="page-head">
        <h1>Machines</h1>
        <p class="muted">Every live statechart of the brokers and of this dashboard: {machines.length}</p>
        <div class="controls">
          <input
            type="search"
            placeholder="filter by id or state"
            aria-label="Filter"
            value={query()}
            onInput={(event) => setQuery(event.currentTarget.value)}
          />
        </div>
      </header>
      <nav class="kinds" aria-label="Kinds">
        <button type="button" aria-pressed={kind() === ''} onClick={() => setKind('')}>
          all
        </button>
        <For each={kinds()}>
          {([name, count]) => (
            <button type="button" aria-pressed={kind() === name} onClick={() => setKind(name)}>
              {name} <span class="muted">{count}</span>
            </button>
          )}
        </For>
      </nav>
      <Show when={problem()}>
        {(message) => (
          <p class="notice" role="alert">
            The machines could not be listed: {message()}
          </p>
        )}
      </Show>
      <Show when={!complete()}>
        <p class="notice" role="status">
          A broker does not answer: its machines are missing here.
        </p>
      </Show>
      <div class="table-scroll">
        <table class="machines">
          <thead>
            <tr>
              <th>Machine</th>
              <th>Kind</th>
              <th>State</th>
              <th class="number">Since</th>
            </tr>
          </thead>
          <tbody>
            <For each={shown()}>
              {(machine) => (
                <tr>
                  <th scope="row">{machine.id}</th>
                  <td class="muted">{machine.kind}</td>
                  <td>
                    <span class="pill" data-state={machine.state.split('.')[0]}>
                      {machine.state}
                    </span>
                  </td>
                  <td class="number muted">{duration(Date.now() - machine.since)}</td>
                </tr>
              )}
            </For>
          </tbody>
        </table>
      </div>
    </main>
  );
}
