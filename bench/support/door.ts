// The door of a benchmark's Raft member: one stream of bytes each way. What is asked or answered in one turn of the loop is one message,
// as agents' batches are.
//
//   requests, one after another   bytes of content (4 bytes) · number (4 bytes) · what (1 byte) · content
//   answers, one after another    number (4 bytes) · result (4 bytes)
//
//   PROPOSE   a payload; its first 8 bytes name it              1: applied
//   SERVES    nothing                                           1: this member leads, and serves
//   TERM      nothing                                           the term that this member is in
//   LACKS     names of payloads                                 how many of them this member has not applied
import { Client, type ClientDuplexStream, credentials, type ServerDuplexStream } from '@grpc/grpc-js';

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
const HEAD_BYTES = 9;
const ANSWER_BYTES = 8;

/** Gathers what is said in a turn. */
function gathered(write: (bytes: Buffer) => void): (bytes: Buffer) => void {
  let parts: Buffer[] = [];
  return (part) => {
    parts.push(part);
    if (parts.length > 1) return;
    process.nextTick(() => {
      const all = parts;
      parts = [];
      write(all.length === 1 ? part : Buffer.concat(all));
    });
  };
}

/** The member's side. @param handle is told each request, and answers when it can. */
export function answerAll(
  stream: ServerDuplexStream<Buffer, Buffer>,
  handle: (what: number, content: Buffer, answer: (result: number) => void) => void,
): void {
  const say = gathered((bytes) => stream.write(bytes));
  stream.on('data', (requests: Buffer) => {
    for (let at = 0; at < requests.length; ) {
      const end = at + HEAD_BYTES + requests.readUInt32LE(at);
      const number = requests.readUInt32LE(at + 4);
      handle(requests[at + 8] ?? 0, requests.subarray(at + HEAD_BYTES, end), (result) => {
        const bytes = Buffer.allocUnsafe(ANSWER_BYTES);
        bytes.writeUInt32LE(number, 0);
        bytes.writeUInt32LE(result, 4);
        say(bytes);
      });
      at = end;
    }
  });
}

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
  stream.on('data', (answers: Buffer) => {
    for (let at = 0; at < answers.length; at += ANSWER_BYTES) {
      const asked = answers.readUInt32LE(at);
      waiting.get(asked)?.(answers.readUInt32LE(at + 4));
      waiting.delete(asked);
    }
  });
  const say = gathered((bytes) => stream.write(bytes));
  stream.on('error', over);
  stream.on('end', over);

  function ask(what: number, content: Uint8Array): Promise<number | null> {
    if (!open) return Promise.resolve(null);
    number = (number + 1) >>> 0;
    const request = Buffer.allocUnsafe(HEAD_BYTES + content.length);
    request.writeUInt32LE(content.length, 0);
    request.writeUInt32LE(number, 4);
    request[8] = what;
    request.set(content, HEAD_BYTES);
    return new Promise((resolve) => {
      waiting.set(number, resolve);
      say(request);
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
