// Numbers for people.

const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  let scaled = Math.abs(value);
  let unit = 0;
  while (scaled >= 1024 && unit < BINARY.length - 1) {
    scaled /= 1024;
    unit++;
  }
  return `${value < 0 ? '−' : ''}${scaled.toFixed(scaled < 10 && unit > 0 ? 1 : 0)} ${BINARY[unit]}`;
}

export const bytesPerSecond = (value: number | null | undefined): string => {
  const text = bytes(value);
  return text === '–' ? text : `${text}/s`;
};

export function percent(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  return `${(value * 100).toFixed(value < 0.0995 ? 1 : 0)} %`;
}

export function plainNumber(value: number | null | undefined): string {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  return Number.isInteger(value) ? String(value) : value.toFixed(2);
}

export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
