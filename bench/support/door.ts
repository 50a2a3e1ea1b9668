// The door of a benchmark's Raft member: one stream of bytes each way.
//
//   request   number (4 bytes) · what (1 byte) · content        answer   number (4 bytes) · result (4 bytes)
//
//   PROPOSE   a payload; its first 8 bytes name it              1: applied
//   SERVES    nothing                                           1: this member leads, and serves
//   TERM      nothing                                           the term that this member is in
//   LACKS     names of payloads                                 how many of them this member has not applied
import { Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';

const asIs = (bytes: Buffer): Buffer => bytes;

export const doorDefinition = {
  Ask: {
    path: '/bench.Door/Ask',
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  },
} as const;

export const PROPOSE = 0;
export const SERVES = 1;
export const LACKS = 2;
export const TERM = 3;
export const NAME_BYTES = 8;
export const HEAD_BYTES = 5;

export interface Door {
  /** Resolves with whether it was applied; with false when it was not, when that is not known, and when the stream ends. */
  propose(payload: Uint8Array): Promise<boolean>;
  /** Does this member lead, and serve? */
  serves(): Promise<boolean>;
  /** Null when it does not answer. */
  term(): Promise<number | null>;
  /** How many payloads with these names (8 bytes each) this member has not applied; null when it does not answer. */
  lacks(names: Uint8Array): Promise<number | null>;
  close(): void;
}

const NOTHING = new Uint8Array(0);

export function openDoor(address: string): Door {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  const { path, requestSerialize, responseDeserialize } = doorDefinition.Ask;
  const stream: ClientDuplexStream<Buffer, Buffer> = client.makeBidiStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
  );
  const waiting = new Map<number, (result: number | null) => void>();
  let number = 0;
  let open = true;
  const over = () => {
    open = false;
    for (const settle of waiting.values()) settle(null);
    waiting.clear();
  };
  stream.on('data', (answer: Buffer) => {
    const asked = answer.readUInt32LE(0);
    waiting.get(asked)?.(answer.readUInt32LE(4));
    waiting.delete(asked);
  });
  stream.on('error', over);
  stream.on('end', over);

  function ask(what: number, content: Uint8Array): Promise<number | null> {
    if (!open) return Promise.resolve(null);
    number = (number + 1) >>> 0;
    const request = Buffer.allocUnsafe(HEAD_BYTES + content.length);
    request.writeUInt32LE(number, 0);
    request[4] = what;
    request.set(content, HEAD_BYTES);
    return new Promise((resolve) => {
      waiting.set(number, resolve);
      stream.write(request);
    });
  }
  return {
    propose: async (payload) => (await ask(PROPOSE, payload)) === 1,
    serves: async () => (await ask(SERVES, NOTHING)) === 1,
    term: () => ask(TERM, NOTHING),
    lacks: (names) => ask(LACKS, names),
    close() {
      over();
      stream.end();
      client.close();
    },
  };
}
