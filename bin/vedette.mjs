#!/usr/bin/env node
// The program, as it was built. `npm run setup` builds it.
import { existsSync } from 'node:fs';

const main = new URL('../dist/cli/main.js', import.meta.url);
if (!existsSync(main)) {
  process.stderr.write('vedette: not built yet; run: npm run setup\n');
  process.exit(1);
}
process.setSourceMapsEnabled?.(true);
await import(main.href);
