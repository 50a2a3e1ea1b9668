// What other brokers say, and that they come and go: whoever must know of it here is told, Raft first.
import type { BrokerId } from '../../core/ids.ts';
import type { PeerMessage } from '../../streams/envelope.ts';
import type { ClusterDirectory } from './cluster-directory.ts';
import type { ControlGroup } from './control-group.ts';
import type { HostBeatRounds } from './host-beats.ts';
import type { Peers } from './peer-interface.ts';
import type { RaftHost } from './raft-host.ts';
import type { LeadTable } from './shard-leads.ts';
import type { Standings } from './standings.ts';
import type { Steering } from './steering.ts';

export interface PeerInboxPorts {
  readonly peers: Pick<Peers, 'messages' | 'opened' | 'closed' | 'views'>;
  readonly raft: Pick<RaftHost, 'receive' | 'pulse' | 'peerOpened' | 'peerClosed'>;
  readonly control: Pick<ControlGroup, 'note'>;
  readonly directory: Pick<ClusterDirectory, 'answer' | 'settle' | 'peerLost'>;
  readonly beats: Pick<HostBeatRounds, 'receive'>;
  readonly leads: Pick<LeadTable, 'heard' | 'opened' | 'lost'>;
  readonly standings: Pick<Standings, 'heard' | 'opened' | 'lost'>;
  readonly steering: Pick<Steering, 'receive' | 'peerLost'>;
  readonly warn: (message: string) => void;
}

export function openPeerInbox(ports: PeerInboxPorts): { stop(): void } {
  const { peers, raft, control, directory, beats, leads, standings, steering, warn } = ports;

  function receive(from: BrokerId, message: PeerMessage): void {
    switch (message.kind) {
      case 'raft':
        return raft.receive(from, message.envelopes);
      case 'pulse':
        return raft.pulse(from, message);
      case 'forward':
        return directory.answer(from, message);
      case 'forwardReply':
        return directory.settle(from, message);
      case 'beats':
        return beats.receive(message);
      case 'leads':
        return leads.heard(from, message);
      case 'standing':
        return standings.heard(from, message);
      case 'question':
      case 'answer':
        return steering.receive(from, message);
      default:
        warn(`${from} sent a ${message.kind} where none belongs`);
    }
  }

  const subscriptions = [
    peers.messages.subscribe(({ from, message }) => receive(from, message)),
    peers.opened.subscribe((peer) => {
      raft.peerOpened(peer);
      leads.opened(peer);
      standings.opened(peer);
      const facts = peers.views.find((view) => view.id === peer);
      if (facts !== undefined) control.note(facts);
    }),
    peers.closed.subscribe((peer) => {
      raft.peerClosed(peer);
      leads.lost(peer);
      standings.lost(peer);
      directory.peerLost(peer);
      steering.peerLost(peer);
    }),
  ];
  return {
    stop() {
      for (const subscription of subscriptions) subscription.unsubscribe();
    },
  };
}
