// The command line: finds the command, reads its flags, and turns errors into one line and an exit code.
//
//   0 done   1 failed   2 wrong usage: what was wrong, and the nearest right thing
import { readFileSync } from 'node:fs';
import { nearest } from '../core/units.ts';
import { agentCommand } from './agent.ts';
import { brokerCommand } from './broker.ts';
import { dashboardCommand } from './dashboard.ts';
import { type Command, helpOf, parseFlags } from './flags.ts';
import { hostsCommand } from './hosts.ts';
import { machinesCommand } from './machines.ts';
import { fail, prepareProcess } from './process.ts';
import { upCommand } from './up.ts';

const COMMANDS: readonly Command[] = [
  upCommand,
  brokerCommand,
  agentCommand,
  dashboardCommand,
  hostsCommand,
  machinesCommand,
];
/** Reserved: they come with later releases. */
const LATER = ['cluster', 'query', 'top', 'scenario', 'inspect', 'storage', 'bench'];

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '';
}

function overview(): string {
  const rows = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(12)} ${summary}`);
  return `vedette watches hosts: agents report to a cluster of brokers, a dashboard shows them live.\n\nUsage: vedette COMMAND [flags]\n\n${rows.join('\n')}\n\nvedette COMMAND --help shows a command's flags.\n`;
}

async function run(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined) {
    process.stderr.write(overview());
    return 2;
  }
  if (['--help', '-h', 'help'].includes(name)) {
    process.stdout.write(overview());
    return 0;
  }
  if (name === '--version') {
    process.stdout.write(`vedette ${version()}\n`);
    return 0;
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command === undefined) {
    const near = nearest(
      name,
      COMMANDS.map((candidate) => candidate.name),
    );
    const hint = LATER.includes(name)
      ? 'it is not in this release'
      : near === undefined
        ? 'vedette --help lists the commands'
        : `did you mean ${near}?`;
    const what = name.startsWith('-') ? 'a command comes first, not' : 'unknown command';
    process.stderr.write(`vedette: ${what} ${JSON.stringify(name)}: ${hint}\n`);
    return 2;
  }
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
