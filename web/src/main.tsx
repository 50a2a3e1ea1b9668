import { For, Match, Switch } from 'solid-js';
import { render } from 'solid-js/web';
import 'uplot/dist/uPlot.min.css';
import './style.css';
import { FleetPage } from './pages/fleet.tsx';
import { HostPage } from './pages/host.tsx';
import { MachinesPage } from './pages/machines.tsx';
import { ConnectionBadge } from './parts/connection-badge.tsx';
import { path } from './parts/router.ts';
import { theme, toggleTheme } from './parts/theme.ts';

const PAGES = [
  { href: '/', label: 'Hosts' },
  { href: '/machines', label: 'Machines' },
] as const;

const hostOf = (at: string): string | null => {
  const match = /^\/hosts\/([^/]+)$/.exec(at);
  return match?.[1] === undefined ? null : decodeURIComponent(match[1]);
};

function App() {
  const here = (href: string) => path() === href || (href === '/' && path().startsWith('/hosts'));
  return (
    <>
      <header class="bar">
        <a class="brand" href="/">
          vedette
        </a>
        <nav aria-label="Pages">
          <For each={PAGES}>
            {(page) => (
              <a href={page.href} aria-current={here(page.href) ? 'page' : undefined}>
                {page.label}
              </a>
            )}
          </For>
        </nav>
        <ConnectionBadge />
        <button
          type="button"
          class="theme"
          onClick={toggleTheme}
          aria-label={`Switch to the ${theme() === 'dark' ? 'light' : 'dark'} theme`}
        >
          {theme() === 'dark' ? '☀' : '☾'}
        </button>
      </header>
      <Switch
        fallback={
          <main>
            <h1>Nothing here</h1>
            <p>
              There is no page at <code>{path()}</code>. <a href="/">The hosts</a> are on the first page.
            </p>
          </main>
        }
      >
        <Match when={path() === '/' || path() === '/hosts'}>
          <FleetPage />
        </Match>
        <Match when={hostOf(path())} keyed>
          {(hostId) => <HostPage hostId={hostId} />}
        </Match>
        <Match when={path() === '/machines'}>
          <MachinesPage />
        </Match>
      </Switch>
    </>
  );
}

const root = document.getElementById('app');
if (root !== null) render(() => <App />, root);
