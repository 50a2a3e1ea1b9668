// `vedette cluster remove ID`: asks for it, and shows how far it is until the broker is gone.
import type { NodeStatus } from '../actors/admin-service.ts';
import { type AdminClient, createAdminClient } from '../actors/transports/admin-client.ts';
import { nodesFromProto } from '../actors/transports/admin-codec.ts';
import { adminDefinition } from '../actors/transports/grpc-definitions.ts';
import { invalidArgument, VedetteError } from '../core/errors.ts';
import { limits } from '../core/limits.ts';
import { createRandom } from '../streams/random.ts';
import { createRealClock } from '../streams/real-clock.ts';
import type { Values } from './flags.ts';
import { randomName } from './process.ts';

const { removalPollMs, removalPatienceMs } = limits.control;

export async function remove(admin: AdminClient, [id, ...rest]: readonly string[], values: Values) {
  if (id === undefined) throw invalidArgument('words', 'vedette cluster remove takes the ID of a broker');
  if (rest.length > 0)
    throw invalidArgument(
      'words',
      `vedette cluster remove ID takes no more words; ${JSON.stringify(rest[0])} is too much`,
    );
  const nodes = nodesFromProto(await admin.ask(adminDefinition.ListNodes, {}));
  await admin.ask(adminDefinition.RemoveBroker, { id, call: await admin.call() });
  const data = await nodeOf(admin, id);
  if (values.switch('no-wait'))
    return { data, text: () => `${id} is leaving; vedette cluster status shows how far it is\n` };
  await untilGone(id, nodes);
  return {
    data,
    text: () => `${id} has left the cluster; its data directory may be deleted\n${whatIsLeft(nodes.length - 1)}`,
  };
}

/** Of two brokers both are needed for everything: that is no better than one, and easily overlooked. */
function whatIsLeft(brokers: number): string {
  if (brokers === 1) return 'one broker is left: what its disk holds is held nowhere else\n';
  return brokers === 2
    ? 'two brokers are left: nothing is taken or answered while one of them is away; add a third\n'
    : '';
}

/** As HTTP answers a change of it: how it stands right after. */
export async function nodeOf(admin: AdminClient, id: string): Promise<NodeStatus | { readonly id: string }> {
  const nodes = nodesFromProto(await admin.ask(adminDefinition.ListNodes, {}));
  return nodes.find((node) => node.id === id) ?? { id };
}

/** The others are asked: the one that leaves is no source of that. */
async function untilGone(id: string, nodes: readonly NodeStatus[]): Promise<void> {
  const others = nodes.filter((node) => node.id !== id).map(({ grpc }) => grpc);
  const clock = createRealClock();
  const admin = createAdminClient({ addresses: others, clock, random: createRandom(randomName()) });
  const deadline = clock.monotonic() + removalPatienceMs;
  let told = '';
  try {
    for (;;) {
      const known = nodesFromProto(await admin.ask(adminDefinition.ListNodes, {}));
      const leaver = known.find((node) => node.id === id);
      if (leaver === undefined) return;
      const progress = progressOf(leaver);
      if (progress !== told) process.stderr.write(`${progress}\n`);
      told = progress;
      if (clock.monotonic() > deadline)
        throw new VedetteError('DEADLINE_EXCEEDED', `${progress}; it goes on leaving, nobody waits for it any more`);
      await new Promise<void>((resolve) => void clock.after(removalPollMs, resolve));
    }
  } finally {
    admin.close();
  }
}

const ROLES: Readonly<Record<string, string>> = {
  leader: 'leads the control group',
  follower: 'votes in the control group',
  learner: 'has no vote in the control group',
  none: 'is out of the control group',
};

function progressOf({ id, role, replicas, leads }: NodeStatus): string {
  const held = replicas.length === 0 ? 'holds no replica' : `${replicas.length} replicas left, leads ${leads.length}`;
  return `${id} is leaving: ${ROLES[role] ?? role}, ${held}`;
}
