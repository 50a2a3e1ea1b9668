// Where in the sources a stack trace leads. The program runs as it was built; Node would read the source map of every file at its start,
// to be ready for one, which is a tenth of all that a broker does until it answers. They are read when there is a trace to print.
import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { fileURLToPath } from 'node:url';

const PLACE = /(file:\/\/[^\s()]+\.js):(\d+):(\d+)/g;

export function inSources(stack: string): string {
  return stack.replace(PLACE, (place, file: string, line: string, column: string) => {
    try {
      return sourcePlace(file, Number(line) - 1, Number(column) - 1) ?? place;
    } catch {
      // Others' files have no map beside them.
      return place;
    }
  });
}

/** Line and column are counted from 0, as in source maps. */
function sourcePlace(file: string, line: number, column: number): string | null {
  const payload = JSON.parse(readFileSync(`${fileURLToPath(file)}.map`, 'utf8')) as SourceMapPayload;
  const found = new SourceMap(payload).findEntry(line, column);
  if (!('originalSource' in found)) return null;
  const { originalSource, originalLine, originalColumn } = found;
  return `${fileURLToPath(new URL(originalSource, file))}:${originalLine + 1}:${originalColumn + 1}`;
}
