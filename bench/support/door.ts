// The door for proposals of a benchmark's Raft member: one stream of bytes each way.
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';

const asIs = (bytes: Buffer): Buffer => bytes;

export const doorDefinition = {
  Propose: {
    path: '/bench.Door/Propose',
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  },
} as const;

export interface Door {
  /** Resolves with whether it was applied; with false when the stream ends. */
  propose(payload: Uint8Array): Promise<boolean>;
  /** Does this member lead, and serve? */
  serves(): Promise<boolean>;
  close(): void;
}

const NOTHING = new Uint8Array(0);

export function openDoor(address: string): Door {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  const { path, requestSerialize, responseDeserialize } = doorDefinition.Propose;
  const stream: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
  );
  const waiting = new Map<number, (applied: boolean) => void>();
  let number = 0;
  let open = true;
  const over = () => {
    open = false;
    for (const settle of waiting.values()) settle(false);
    waiting.clear();
  };
  stream.on('data', (answer: Buffer) => {
    const asked = answer.readUInt32LE(0);
    waiting.get(asked)?.(answer[4] === 1);
    waiting.delete(asked);
  });
  stream.on('error', over);
  stream.on('end', over);

  function ask(payload: Uint8Array): Promise<boolean> {
    if (!open) return Promise.resolve(false);
    number = (number + 1) >>> 0;
    const request = Buffer.allocUnsafe(4 + payload.length);
    request.writeUInt32LE(number, 0);
    request.set(payload, 4);
    return new Promise((resolve) => {
      waiting.set(number, resolve);
      stream.write(request);
    });
  }
  return {
    propose: ask,
    serves: () => ask(NOTHING),
    close() {
      stream.end();
      client.close();
    },
  };
}
