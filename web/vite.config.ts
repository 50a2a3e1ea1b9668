import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defineConfig, type Plugin } from 'vite';
import solid from 'vite-plugin-solid';

const root = fileURLToPath(new URL('.', import.meta.url));
const proto = fileURLToPath(new URL('../proto', import.meta.url));

/** `virtual:monitor-proto`: the generated decoder of monitor.proto, and nothing that the page does not need. */
function monitorProto(): Plugin {
  const id = 'virtual:monitor-proto';
  return {
    name: 'monitor-proto',
    resolveId: (source) => (source === id ? `\0${id}` : null),
    load(source) {
      if (source !== `\0${id}`) return null;
      const require = createRequire(import.meta.url);
      const pbjs: {
        main(args: string[], done: (error: Error | null, code?: string) => void): void;
      } = require('protobufjs-cli/pbjs');
      const flags =
        '-t static-module -w es6 --es6 --force-number --no-create --no-encode --no-verify --no-convert --no-delimited --no-comments --no-service';
      return new Promise((resolve, reject) => {
        pbjs.main([...flags.split(' '), '-p', proto, `${proto}/vedette/v1/monitor.proto`], (error, code) =>
          error === null ? resolve(code ?? '') : reject(error),
        );
      });
    },
  };
}

export default defineConfig({
  root,
  plugins: [monitorProto(), solid()],
  build: { outDir: '../dist/web', emptyOutDir: true, target: 'es2022', assetsInlineLimit: 0 },
  server: { proxy: { '/api': { target: 'http://127.0.0.1:8080', ws: true } } },
});
