// A minute in a word's space. Drawn as SVG: a hundred of them are cheap, and they print.
import type { Points } from '../store/derive.ts';

const WIDTH = 120;
const HEIGHT = 26;

export function Sparkline(props: { points: Points; max?: number; label: string }) {
  const path = () => {
    const points = props.points.slice(-60);
    const top = props.max ?? Math.max(1e-9, ...points.map((value) => value ?? 0)) * 1.1;
    let drawing = false;
    return points
      .map((value, at) => {
        if (value === null) {
          drawing = false;
          return '';
        }
        const x = WIDTH - (points.length - 1 - at) * (WIDTH / 59);
        const y = HEIGHT - 1 - Math.min(1, value / top) * (HEIGHT - 2);
        const command = drawing ? 'L' : 'M';
        drawing = true;
        return `${command}${x.toFixed(1)} ${y.toFixed(1)}`;
      })
      .join('');
  };
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={props.label}>
      <title>{props.label}</title>
      <path d={path()} />
    </svg>
  );
}
