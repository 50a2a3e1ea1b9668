import { existsSync } from 'node:fs';

/** Where the package lies, from src and from dist/src alike: what is not compiled (proto files, pages, the addon) is found from there. */
export const packageRoot: URL = rootFrom(new URL('./', import.meta.url));

function rootFrom(at: URL): URL {
  if (existsSync(new URL('package.json', at))) return at;
  const above = new URL('../', at);
  if (above.href === at.href) throw new Error('there is no package.json above the program');
  return rootFrom(above);
}
