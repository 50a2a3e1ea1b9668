// Three pages, by path. Links are plain anchors; a click on one of ours changes the path without a reload.
import { createSignal } from 'solid-js';

const [path, setPath] = createSignal(location.pathname);
export { path };

function go(to: string): void {
  history.pushState(null, '', to);
  setPath(to);
  scrollTo(0, 0);
}

addEventListener('popstate', () => setPath(location.pathname));
addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) return;
  const anchor = (event.target as Element | null)?.closest('a');
  const href = anchor?.getAttribute('href');
  if (href?.startsWith('/') !== true || anchor?.target === '_blank') return;
  event.preventDefault();
  go(href);
});

export const hostPath = (hostId: string) => `/hosts/${encodeURIComponent(hostId)}`;
