#!/usr/bin/env -S node --max-semi-space-size=32
// The program, as it was built. `npm run setup` builds it. Charts and streams make much short-lived garbage: with room for it a broker
// under load takes a third less processor time, for some 60 MB (docs/decisions/0005-pulses.md).
import { existsSync } from 'node:fs';

const main = new URL('../dist/src/cli/main.js', import.meta.url);
if (!existsSync(main)) {
  process.stderr.write('vedette: not built yet; run: npm run setup\n');
  process.exit(1);
}
await import(main.href);
