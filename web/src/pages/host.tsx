// One host: its charts, live, with a shared cursor and zoom.
import { createMemo, createSignal, For, onCleanup, onMount, Show } from 'solid-js';
import { Chart } from '../charts/chart.tsx';
import { chartData, hostCharts } from '../charts/host-charts.ts';
import { subscribe } from '../stream/connection.ts';
import { breakAtGaps } from '../store/derive.ts';
import { createHostData } from '../store/host-data.ts';

const WINDOWS = [
  { label: '1 min', seconds: 60 },
  { label: '5 min', seconds: 300 },
  { label: '15 min', seconds: 900 },
] as const;
const KEEP_SECONDS = 15 * 60;

interface HostAnswer {
  readonly state: string;
  readonly owner: string;
  readonly shard: number;
  readonly labels: Readonly<Record<string, string>>;
}

export function HostPage(props: { hostId: string }) {
  const data = createHostData(KEEP_SECONDS);
  const [version, setVersion] = createSignal(0);
  const [windowSeconds, setWindowSeconds] = createSignal<number>(300);
  const [held, setHeld] = createSignal<readonly [number, number] | null>(null);
  const [host, setHost] = createSignal<HostAnswer | null>(null);
  const [problem, setProblem] = createSignal<string | null>(null);
  const [gap, setGap] = createSignal<string | null>(null);

  const live = () => held() === null;
  const range = createMemo((): readonly [number, number] => {
    version();
    const end = data.times.at(-1) ?? Date.now() / 1000;
    return held() ?? [end - windowSeconds(), end];
  });
  /** While held, the picture stands still: rows go on being collected, and are drawn on resuming. */
  const drawnVersion = createMemo<number>((before) => (live() ? version() : before), 0);

  async function loadHost(): Promise<void> {
    try {
      const response = await fetch(`/api/v1/hosts/${encodeURIComponent(props.hostId)}`);
      const answer = await response.json();
      if (response.ok) {
        setHost(answer);
        setProblem(null);
      } else {
        setProblem(answer?.error?.message ?? response.statusText);
      }
    } catch {
      // The corner says that the connection is lost; what is shown of the host stays.
    }
  }

  onMount(() => {
    const unsubscribe = subscribe(
      { hosts: [props.hostId], metrics: [], delivery: 'every', backfillMs: KEEP_SECONDS * 1000, events: true },
      {
        data(message) {
          for (const rows of message.rows) data.add(rows);
          if (message.events.length > 0) void loadHost();
          setVersion((count) => count + 1);
        },
        gap: (from, to, reason) =>
          setGap(
            `rows between ${new Date(from).toLocaleTimeString()} and ${new Date(to).toLocaleTimeString()} are not kept any more (${reason})`,
          ),
        error: (_code, message) => setProblem(message),
      },
    );
    void loadHost();
    const timer = setInterval(() => void loadHost(), 5_000);
    const key = (event: KeyboardEvent) => {
      if (event.key === 'Escape') setHeld(null);
      if (event.key === ' ' && event.target === document.body) {
        event.preventDefault();
        toggle();
      }
    };
    addEventListener('keydown', key);
    onCleanup(() => {
      unsubscribe();
      clearInterval(timer);
      removeEventListener('keydown', key);
    });
  });

  const toggle = () => setHeld(live() ? range() : null);
  const asOf = () => new Date(range()[1] * 1000).toLocaleTimeString();

  return (
    <main>
      <header class="page-head">
        <h1>{props.hostId}</h1>
        <Show when={host()}>
          {(known) => (
            <>
              <span class="pill" data-state={known().state}>
                {known().state}
              </span>
              <p class="muted">
                shard {known().shard}, led by {known().owner || 'nobody just now'}
              </p>
            </>
          )}
        </Show>
        <div class="controls">
          <fieldset class="segmented">
            <legend>Window</legend>
            <For each={WINDOWS}>
              {(choice) => (
                <button
                  type="button"
                  aria-pressed={live() && windowSeconds() === choice.seconds}
                  onClick={() => {
                    setWindowSeconds(choice.seconds);
                    setHeld(null);
                  }}
                >
                  {choice.label}
                </button>
              )}
            </For>
          </fieldset>
          <button
            type="button"
            class="hold"
            aria-pressed={!live()}
            onClick={toggle}
            title="Space holds and resumes; drag on a chart zooms; Escape goes back to live"
          >
            {live() ? 'Hold' : `Resume (as of ${asOf()})`}
          </button>
        </div>
      </header>
      <Show when={problem()}>
        {(message) => (
          <p class="notice" role="alert">
            {message()}
          </p>
        )}
      </Show>
      <Show when={gap()}>
        {(message) => (
          <p class="notice" role="status">
            {message()}
          </p>
        )}
      </Show>
      <Show when={version() > 0} fallback={<p class="muted">Waiting for the first rows …</p>}>
        <div
          class="charts"
          data-rows={data.times.length + 0 * version()}
          data-newest={(data.times.at(-1) ?? 0) + 0 * version()}
        >
          <For each={hostCharts}>
            {(definition) => {
              const drawn = createMemo(() => {
                drawnVersion();
                return chartData(definition, data, breakAtGaps);
              });
              return (
                <Show when={drawn().lines.length > 0}>
                  <Chart
                    title={definition.title}
                    data={drawn()}
                    range={range()}
                    format={definition.format}
                    {...(definition.axis === undefined ? {} : { axis: definition.axis })}
                    {...(definition.limits === undefined ? {} : { limits: definition.limits })}
                    {...(definition.stacked === undefined ? {} : { stacked: definition.stacked })}
                    onZoom={(from, to) => setHeld([from, to])}
                    onReset={() => setHeld(null)}
                  />
                </Show>
              );
            }}
          </For>
        </div>
      </Show>
    </main>
  );
}
