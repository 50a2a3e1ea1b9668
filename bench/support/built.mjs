// What is measured is what is installed: imports of the program's sources are answered with what they were compiled to. (Running them
// as TypeScript costs time of its own: each function that a function makes is given its name.)
//
//   node --import tsx --import ./bench/support/built.mjs bench/NAME.ts
import { register } from 'node:module';

const hooks = `
const source = ${JSON.stringify(new URL('../../src/', import.meta.url).href)};
const built = ${JSON.stringify(new URL('../../dist/', import.meta.url).href)};
export function resolve(specifier, context, next) {
  if (!specifier.startsWith('.') || context.parentURL === undefined) return next(specifier, context);
  const { href } = new URL(specifier, context.parentURL);
  if (!href.startsWith(source) || !href.endsWith('.ts')) return next(specifier, context);
  return { url: built + href.slice(source.length, -'.ts'.length) + '.js', format: 'module', shortCircuit: true };
}
`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);
