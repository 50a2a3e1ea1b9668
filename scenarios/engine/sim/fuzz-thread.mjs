// Where a thread begins: it has to be taught TypeScript before it can load the rest.
import { register } from 'tsx/esm/api';

register();
await import('./fuzz-worker.ts');
