// The corner that says how the page is fed.
import { createSignal, onCleanup, Show } from 'solid-js';
import { conflatedRows, lastRowAt, latencyMs, linkState, reconnects } from '../stream/connection.ts';
import { duration } from './format.ts';

const STALE_MS = 3_000;

export function ConnectionBadge() {
  const [now, setNow] = createSignal(Date.now());
  const timer = setInterval(() => setNow(Date.now()), 500);
  onCleanup(() => clearInterval(timer));
  const stale = () => lastRowAt() > 0 && now() - lastRowAt() > STALE_MS;
  const state = () => (linkState() !== 'live' ? linkState() : stale() ? 'waiting' : 'live');
  const text = () => {
    if (linkState() === 'lost') return 'connection lost, trying again';
    if (linkState() === 'connecting') return 'connecting';
    if (stale()) return `no rows for ${duration(now() - lastRowAt())}`;
    const latency = latencyMs();
    return latency === null ? 'live' : `live · ${latency} ms`;
  };
  return (
    <output
      class="badge"
      data-state={state()}
      data-last-row={lastRowAt()}
      title="How the page is fed; the time from a host's sample to this page"
    >
      <span class="dot" aria-hidden="true" />
      {text()}
      <Show when={conflatedRows() > 0}> · {conflatedRows()} rows merged</Show>
      <Show when={reconnects() > 0}> · {reconnects()}× reconnected</Show>
    </output>
  );
}
