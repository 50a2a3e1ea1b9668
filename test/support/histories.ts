// Reads histories of clients as they are drawn in test/sim/histories: each line one client, columns are time.
import type { Operation } from '../../scenarios/engine/sim/linearizable.ts';

export interface DrawnHistory {
  readonly name: string;
  readonly operations: readonly Operation[];
}

const OPERATION = /\|-+(?:([a-z]):)?([wr])(\d+)-*(?=([|?x]))/g;

function operationsIn(line: string): Operation[] {
  return [...line.matchAll(OPERATION)].flatMap((match) => {
    const [whole, key = 'x', type, value, end] = match;
    // What was refused did not happen.
    if (end === 'x') return [];
    return {
      key: key.charCodeAt(0),
      type: type === 'w' ? 'write' : 'read',
      value: Number(value),
      call: match.index,
      end: end === '?' ? Number.POSITIVE_INFINITY : match.index + whole.length,
    } as const;
  });
}

/** Paragraphs: a name, then lines of clients. @throws RangeError when a line is none. */
export function readHistories(text: string): DrawnHistory[] {
  const paragraphs = text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .split(/\n{2,}/)
    .filter((paragraph) => paragraph.trim() !== '');
  return paragraphs.map((paragraph) => {
    const [name = '', ...lines] = paragraph.trim().split('\n');
    for (const line of lines)
      if (!/^\w+ +\|/.test(line)) throw new RangeError(`${name}: ${JSON.stringify(line)} is no line of a client`);
    return { name, operations: lines.flatMap(operationsIn) };
  });
}
