// The command line: finds the command, reads its flags, and turns errors into one line and an exit code.
//
//   0 done   1 failed   2 wrong usage: what was wrong, and the nearest right thing   3 a scenario's expectation was not met
import { nearest } from '../core/units.ts';
import { type Command, helpOf, parseFlags } from './flags.ts';
import { fail, prepareProcess, programVersion } from './process.ts';

/** Each with what it needs, and nothing else: a process of one command does not carry the others. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import('./up.ts')).upCommand,
  broker: async () => (await import('./broker.ts')).brokerCommand,
  agent: async () => (await import('./agent.ts')).agentCommand,
  dashboard: async () => (await import('./dashboard.ts')).dashboardCommand,
  cluster: async () => (await import('./cluster.ts')).clusterCommand,
  hosts: async () => (await import('./hosts.ts')).hostsCommand,
  machines: async () => (await import('./machines.ts')).machinesCommand,
  scenario: async () => (await import('./scenario.ts')).scenarioCommand,
  bench: async () => (await import('./bench.ts')).benchCommand,
};
/** Reserved: they come with later releases. */
const LATER = ['query', 'top', 'inspect', 'storage'];

async function overview(): Promise<string> {
  const commands = await Promise.all(Object.values(COMMANDS).map((load) => load()));
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(12)} ${summary}`);
  return `vedette watches hosts: agents report to a cluster of brokers, a dashboard shows them live.\n\nUsage: vedette COMMAND [flags]\n\n${rows.join('\n')}\n\nvedette COMMAND --help shows a command's flags.\n`;
}

async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) {
    process.stderr.write(await overview());
    return 2;
  }
  if (['--help', '-h', 'help'].includes(name)) {
    process.stdout.write(await overview());
    return 0;
  }
  if (name === '--version') {
    process.stdout.write(`vedette ${programVersion()}\n`);
    return 0;
  }
  const load = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (load === undefined) {
    const near = nearest(name, Object.keys(COMMANDS));
    const hint = LATER.includes(name)
      ? 'it is not in this release'
      : near === undefined
        ? 'vedette --help lists the commands'
        : `did you mean ${near}?`;
    const what = name.startsWith('-') ? 'a command comes first, not' : 'unknown command';
    process.stderr.write(`vedette: ${what} ${JSON.stringify(name)}: ${hint}\n`);
    return 2;
  }
  const command = await load();
  const values = parseFlags(command, rest, process.env);
  if (values.switch('help')) {
    process.stdout.write(helpOf(command));
    return 0;
  }
  return command.run(values);
}

prepareProcess();
run(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => fail(error),
);
