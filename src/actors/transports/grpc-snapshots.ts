// Snapshots over gRPC: a stream for each, on a connection of its own.
import type { ClientDuplexStream, ServerDuplexStream } from '@grpc/grpc-js';
import { Subject } from 'rxjs';
import { unreachable } from '../../core/assert.ts';
import type { BrokerId } from '../../core/ids.ts';
import type { vedette } from '../../core/proto.ts';
import type { SnapshotMessage } from '../../streams/snapshot-message.ts';
import type { Wire } from '../../streams/wire.ts';
import type { SnapshotTransport } from '../snapshot-transfer.ts';
import { raftDefinition } from './grpc-definitions.ts';
import { dialStream, wireOverStream } from './grpc-wire.ts';

type Frame = vedette.v1.ISnapshotFrame;
type FullFrame = vedette.v1.SnapshotFrame;
export type SnapshotServerStream = ServerDuplexStream<Frame, Frame>;

export interface GrpcSnapshots extends SnapshotTransport {
  /** For the server: another broker opened a stream. */
  accept(stream: SnapshotServerStream): void;
}

export function createGrpcSnapshots(): GrpcSnapshots {
  const accepted = new Subject<Wire<SnapshotMessage>>();
  return {
    accepted,
    accept(stream) {
      if (accepted.observed) accepted.next(wireOver(stream, () => {}));
      else stream.end();
    },
    dial(address) {
      const { stream, closed } = dialStream(address, raftDefinition.InstallSnapshot);
      return wireOver(stream, closed);
    },
  };
}

function wireOver(
  stream: ClientDuplexStream<Frame, FullFrame> | SnapshotServerStream,
  closed: () => void,
): Wire<SnapshotMessage> {
  return wireOverStream<SnapshotMessage, FullFrame>(stream, {
    closed,
    decode: decodeSnapshotMessage,
    // The receiver's credit bounds what waits here.
    send: (message) => void stream.write(encodeSnapshotMessage(message)),
  });
}

function encodeSnapshotMessage(message: SnapshotMessage): Frame {
  switch (message.kind) {
    case 'offer': {
      const { from, to, term, header, chunks, bytes } = message;
      return { offer: { from, to, term, header, chunks, bytes } };
    }
    case 'grant':
      return { grant: { next: message.next, chunks: message.chunks } };
    case 'chunk': {
      const { number, crc, payload } = message;
      return { chunk: { number, crc, payload } };
    }
    case 'end':
      return { end: { installed: message.installed, reason: message.reason } };
    default:
      return unreachable(message);
  }
}

const NO_BYTES = new Uint8Array(0);

/** Undefined for a frame of a kind that this version does not know. */
function decodeSnapshotMessage({ offer, grant, chunk, end }: FullFrame): SnapshotMessage | undefined {
  if (chunk)
    return { kind: 'chunk', number: chunk.number ?? 0, crc: chunk.crc ?? 0, payload: chunk.payload ?? NO_BYTES };
  if (grant) return { kind: 'grant', next: grant.next ?? 0, chunks: grant.chunks ?? 0 };
  if (offer)
    return {
      kind: 'offer',
      from: (offer.from ?? '') as BrokerId,
      to: (offer.to ?? '') as BrokerId,
      term: offer.term ?? 0,
      header: offer.header ?? NO_BYTES,
      chunks: offer.chunks ?? 0,
      bytes: offer.bytes ?? 0,
    };
  if (end) return { kind: 'end', installed: end.installed ?? false, reason: end.reason ?? '' };
  return undefined;
}
