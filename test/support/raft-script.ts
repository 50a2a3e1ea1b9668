// Scripts of a Raft group (in the manner of etcd/raft's interaction tests): steps, and behind `----` what came of them. The trace is
// written by the program and reviewed by people, as text.
//
//   # Why this script exists.
//
//   # What the next steps show.
//   add-nodes 3
//   campaign 1
//   ----
//   1     preCandidate    t0   vote - leader -
//
//   deliver 1->2
//   ----
//   2->1  preVoteReply    t1   granted
//
// Blocks are parted by empty lines. A block is notes, commands (a line that begins with spaces goes on with the one before), and the
// trace of them all; a block that only prepares, quietly, has none. The verbs are in raft-script-verbs.ts, the lines of the trace in raft-script-trace.ts.
import { createVerbs } from './raft-script-verbs.ts';

export interface Command {
  readonly verb: string;
  /** Words without `=`. */
  readonly words: readonly string[];
  readonly options: ReadonlyMap<string, string>;
}

const SEPARATOR = '----';

function parseCommand(text: string): Command {
  const [verb = '', ...rest] = text.split(/\s+/);
  const options = rest.filter((word) => word.includes('='));
  return {
    verb,
    words: rest.filter((word) => !word.includes('=')),
    options: new Map(options.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)])),
  };
}

/** The lines of a block up to its separator; a block of notes alone has none. */
function stepsOf(block: string): readonly string[] {
  const lines = block.split('\n');
  const end = lines.indexOf(SEPARATOR);
  return end === -1 ? lines : lines.slice(0, end);
}

function commandsOf(lines: readonly string[]): Command[] {
  const joined: string[] = [];
  for (const line of lines.filter((candidate) => !candidate.startsWith('#'))) {
    const last = joined.at(-1);
    if (line.startsWith(' ') && last !== undefined) joined[joined.length - 1] = `${last} ${line.trim()}`;
    else joined.push(line.trim());
  }
  return joined.map(parseCommand);
}

/** Steps that only prepare what follows. */
const isSilent = ({ verb }: Command): boolean => verb === 'add-nodes' || verb === 'quietly';

/** The script as it must be: the same steps, each block with the trace that it has now. */
export function runScript(text: string): string {
  const run = createVerbs();
  const blocks = text
    .trim()
    .split(/\n{2,}/)
    .map((block) => {
      const steps = stepsOf(block);
      const commands = commandsOf(steps);
      const trace = commands.flatMap(run);
      if (commands.every(isSilent)) return steps.join('\n');
      return [...steps, SEPARATOR, ...(trace.length > 0 ? trace : ['(nothing)'])].join('\n');
    });
  return `${blocks.join('\n\n')}\n`;
}

/** What the script is about: the first sentence of its first note. */
export function titleOf(text: string): string {
  const note = stepsOf(text.trim().split('\n\n')[0] ?? '').map((line) => line.replace(/^# ?/, ''));
  return (/^.*?[.:](?=\s|$)/s.exec(note.join(' '))?.[0] ?? '').slice(0, -1);
}
