// Light or dark: as the system says, until the person says otherwise.
import { createSignal } from 'solid-js';

type Theme = 'light' | 'dark';
const dark = matchMedia('(prefers-color-scheme: dark)');
const chosen = (): Theme | null => {
  const value = localStorage.getItem('vedette.theme');
  return value === 'light' || value === 'dark' ? value : null;
};

const [theme, setTheme] = createSignal<Theme>(chosen() ?? (dark.matches ? 'dark' : 'light'));
dark.addEventListener('change', () => {
  if (chosen() === null) setTheme(dark.matches ? 'dark' : 'light');
});

export { theme };

export function toggleTheme(): void {
  const next = theme() === 'dark' ? 'light' : 'dark';
  localStorage.setItem('vedette.theme', next);
  document.documentElement.dataset.theme = next;
  setTheme(next);
}
