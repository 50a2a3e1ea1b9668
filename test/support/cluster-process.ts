// `vedette up` as a person would start it, on ports of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePortBase } from './ports.ts';
import { tempDirectory } from './temp.ts';
import { until } from './until.ts';

const program = fileURLToPath(new URL('../../bin/vedette.mjs', import.meta.url));

export interface ClusterProcess {
  readonly url: string;
  readonly brokers: readonly string[];
  readonly data: string;
  readonly process: ChildProcess;
  readonly output: () => string;
  /** The process id of a child by its name. */
  pid(name: string): Promise<number>;
  json(path: string): Promise<unknown>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

export async function startCluster(args: readonly string[] = []): Promise<ClusterProcess> {
  const base = await freePortBase(20);
  const stated = args.indexOf('--data');
  const data = (stated < 0 ? undefined : args[stated + 1]) ?? tempDirectory('cluster');
  const url = `http://127.0.0.1:${base + 20}`;
  const ports = ['--grpc-base', String(base), '--http-base', String(base + 8), '--dashboard', `127.0.0.1:${base + 20}`];
  const child = spawn(process.execPath, [program, 'up', '--data', data, ...ports, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const collect = (chunk: Buffer) => {
    output += chunk.toString('utf8');
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  process.on('exit', () => child.kill('SIGKILL'));
  await until('vedette up is ready', () => output.includes('vedette ready') || child.exitCode !== null, 60_000);
  if (child.exitCode !== null) throw new Error(`vedette up ended with ${child.exitCode}:\n${output}`);
  return {
    url,
    brokers: [1, 2, 3].map((at) => `127.0.0.1:${base + at}`),
    data,
    process: child,
    output: () => output,
    pid: (name) => childPid(child.pid ?? 0, name),
    async json(path) {
      const response = await fetch(`${url}${path}`);
      return response.json();
    },
    stop() {
      return new Promise((resolve) => {
        if (child.exitCode !== null || child.signalCode !== null) return resolve(child.exitCode);
        child.once('exit', (code) => resolve(code));
        child.kill('SIGTERM');
      });
    },
  };
}

/** Of the children of `parent`, the one whose command line names `name`. */
async function childPid(parent: number, name: string): Promise<number> {
  const { readdirSync, readFileSync } = await import('node:fs');
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(join('/proc', entry, 'stat'), 'utf8');
      if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) !== parent) continue;
      const words = readFileSync(join('/proc', entry, 'cmdline'), 'utf8').split('\0');
      if (words.includes(name)) return Number(entry);
    } catch {
      // It ended while it was looked at.
    }
  }
  throw new Error(`${name} is not running`);
}
