// Colours, where there is somebody to see them: on a terminal, unless NO_COLOR says otherwise.
import { styleText } from 'node:util';

export type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';
export type Paint = (style: Style, text: string) => string;

const plain: Paint = (_, text) => text;
const colored: Paint = (style, text) => styleText(style, text, { validateStream: false });

/** @param stream where the text will go. */
export function paintFor(stream: { readonly isTTY?: boolean }, environment: NodeJS.ProcessEnv = process.env): Paint {
  const { NO_COLOR, TERM } = environment;
  const refused = (NO_COLOR !== undefined && NO_COLOR !== '') || TERM === 'dumb';
  return stream.isTTY === true && !refused ? colored : plain;
}
