// Links between brokers on a virtual clock: several `createPeers` over wires in memory, which can be cut, silenced or counted.
import { Subject } from 'rxjs';
import type { Peers } from '../../src/actors/cluster/peer-interface.ts';
import { createPeers } from '../../src/actors/cluster/peers.ts';
import type { AcceptedPeer } from '../../src/actors/peer-transport.ts';
import type { VedetteError } from '../../src/core/errors.ts';
import type { BrokerId } from '../../src/core/ids.ts';
import type { PeerHello, PeerMessage } from '../../src/streams/envelope.ts';
import { createInspector } from '../../src/streams/inspector.ts';
import { createMemoryWirePair } from '../../src/streams/memory-wire.ts';
import { createRandom } from '../../src/streams/random.ts';
import { createVirtualClock, type VirtualClock } from '../../src/streams/virtual-clock.ts';
import type { Wire } from '../../src/streams/wire.ts';

export interface PeerNode {
  readonly id: BrokerId;
  readonly address: string;
  readonly peers: Peers;
  /** What has happened here, in order: `opened b`, `closed b`, `b: raft`, … */
  readonly events: string[];
  readonly warnings: string[];
  readonly refused: VedetteError[];
  /** When it dialled, and whom. */
  readonly dials: { readonly at: number; readonly address: string }[];
  readonly accepted: Subject<AcceptedPeer>;
  state(peer: string): string | undefined;
}

export interface StartOptions {
  readonly hello?: Partial<PeerHello>;
  /** Where it listens; like its id unless another is given. */
  readonly address?: string;
  /** Whom it believes to be members, `id` or `id=address`. */
  readonly members?: readonly string[];
}

export interface PeerNetwork {
  readonly clock: VirtualClock;
  start(id: string, options?: StartOptions): PeerNode;
  /** Gone at once: every wire it has breaks. */
  kill(node: PeerNode): void;
  /** Wires between the two carry nothing any more, and nobody is told. */
  silence(a: PeerNode, b: PeerNode): void;
  hear(a: PeerNode, b: PeerNode): void;
  /** Messages that travelled, as `a→b kind`. */
  readonly travelled: string[];
}

interface Cable {
  readonly ends: readonly string[];
  breakLink(): void;
}

export function createPeerNetwork(ids: readonly string[]): PeerNetwork {
  const clock = createVirtualClock();
  const nodes = new Map<string, PeerNode>();
  const cables = new Set<Cable>();
  const silenced = new Set<string>();
  const travelled: string[] = [];
  const pair = (a: string, b: string) => [a, b].sort().join();

  function lay(from: string, to: string): Wire<PeerMessage> {
    const target = nodes.get(to);
    const carry = (arrive: () => void, what: 'message' | 'end') =>
      clock.after(1, () => {
        if (what === 'end' || !silenced.has(pair(from, to))) arrive();
      });
    const wires = createMemoryWirePair<PeerMessage>(clock, { a: carry, b: carry });
    const breakLink = () => wires.breakLink();
    if (target === undefined) {
      clock.after(1, breakLink);
      return wires.a;
    }
    cables.add({ ends: [from, to], breakLink });
    wires.b.inbox.subscribe({ next: ({ kind }) => travelled.push(`${from}→${to} ${kind}`), error: () => {} });
    wires.a.inbox.subscribe({ next: ({ kind }) => travelled.push(`${to}→${from} ${kind}`), error: () => {} });
    clock.after(1, () => target.accepted.next({ remoteAddress: `${from}:1`, wire: wires.b }));
    return wires.a;
  }

  return {
    clock,
    travelled,
    start(id, { hello = {}, address = id, members = ids } = {}) {
      const events: string[] = [];
      const warnings: string[] = [];
      const refused: VedetteError[] = [];
      const dials: { at: number; address: string }[] = [];
      const accepted = new Subject<AcceptedPeer>();
      const peers = createPeers({
        self: id as BrokerId,
        members: new Map(
          members.map((member) => {
            const [name = '', at = name] = member.split('=');
            return [name as BrokerId, at];
          }),
        ),
        hello: () => ({
          broker: id as BrokerId,
          incarnation: `${address}-1`,
          cluster: '',
          founding: 'f',
          grpcAddress: address,
          httpAddress: `http-${address}`,
          zone: '',
          membersAt: 0,
          boot: `${address}-boot`,
          ...hello,
        }),
        transport: {
          accepted,
          dial(to) {
            dials.push({ at: clock.monotonic(), address: to });
            return lay(address, to);
          },
        },
        clock,
        random: createRandom(id),
        inspector: createInspector({ clock }),
        warn: (message) => warnings.push(message),
        refused: (error) => refused.push(error),
      });
      peers.opened.subscribe((peer) => events.push(`opened ${peer}`));
      peers.closed.subscribe((peer) => events.push(`closed ${peer}`));
      peers.messages.subscribe(({ from, message }) => events.push(`${from}: ${message.kind}`));
      const state = (peer: string) => peers.views.find((view) => view.id === peer)?.state;
      const node = { id: id as BrokerId, address, peers, events, warnings, refused, dials, accepted, state };
      nodes.set(address, node);
      return node;
    },
    kill(node) {
      nodes.delete(node.address);
      for (const cable of cables) {
        if (!cable.ends.includes(node.address)) continue;
        cable.breakLink();
        cables.delete(cable);
      }
      node.peers.stop();
    },
    silence: (a, b) => void silenced.add(pair(a.address, b.address)),
    hear: (a, b) => void silenced.delete(pair(a.address, b.address)),
  };
}
