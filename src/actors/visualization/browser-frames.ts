// Rows on their way to a browser: binary (the broker's answer, with the id of the subscription before it) or JSON.
//
//   binary: | n (1 byte) | subscription id (n bytes, UTF-8) | SubscribeResponse |
//
// Schema ids are the broker's own for each of its streams; when a stream is resumed elsewhere they begin anew, so they are
// renumbered here: to the browser an id never changes its meaning.
import { present } from '../../core/assert.ts';
import { vedette } from '../../core/proto.ts';

type Response = vedette.v1.SubscribeResponse;

export interface FrameWriter {
  /** A new stream to a broker began: its schema ids are its own. */
  streamBegan(): void;
  /** The message for the browser; a gap is told apart, in JSON, and is not in it. */
  write(response: Response): string | Uint8Array;
}

export function createFrameWriter(id: string, binary: boolean): FrameWriter {
  return binary ? binaryWriter(id) : jsonWriter(id);
}

function binaryWriter(id: string): FrameWriter {
  const name = new TextEncoder().encode(id);
  let numbers = new Map<number, number>();
  let last = 0;
  return {
    streamBegan() {
      numbers = new Map();
    },
    write(response) {
      const schemas = response.schemas.map((schema) => {
        const number = ++last;
        numbers.set(schema.schemaId ?? 0, number);
        return { ...schema, schemaId: number };
      });
      const frames = response.frames.map((frame) => ({
        ...frame,
        schemaId: present(numbers.get(frame.schemaId ?? 0), 'a frame comes after its schema'),
      }));
      const { cursor, events, conflatedRows } = response;
      const body = vedette.v1.SubscribeResponse.encode({ cursor, events, conflatedRows, schemas, frames }).finish();
      const message = new Uint8Array(1 + name.length + body.length);
      message[0] = name.length;
      message.set(name, 1);
      message.set(body, 1 + name.length);
      return message;
    },
  };
}

function jsonWriter(id: string): FrameWriter {
  let schemas = new Map<number, vedette.v1.ISchema>();
  return {
    streamBegan() {
      schemas = new Map();
    },
    write(response) {
      for (const schema of response.schemas) schemas.set(schema.schemaId ?? 0, schema);
      const { cursor, conflatedRows } = response;
      const frames = response.frames.map((frame) => {
        const schema = present(schemas.get(frame.schemaId ?? 0), 'a frame comes after its schema');
        return jsonFrame(frame, schema);
      });
      const events = response.events.map(({ kind, subject, state, message, atMs }) => ({
        kind,
        subject,
        state,
        message,
        atMs,
      }));
      return JSON.stringify({ op: 'data', id, cursor, frames, events, conflatedRows });
    },
  };
}

/** NaN (no sample) becomes null, as JSON.stringify does by itself. */
function jsonFrame(frame: vedette.v1.IHostFrame, schema: vedette.v1.ISchema): object {
  const timestamps = frame.timestampsMs ?? [];
  const packed = frame.packed ?? new Uint8Array(0);
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const columns = (schema.series ?? []).map(({ metric, labels, unit }, s) => ({
    metric,
    labels: labels ?? {},
    unit,
    values: timestamps.map((_, r) => view.getFloat64((s * timestamps.length + r) * 8, true)),
  }));
  return { hostId: frame.hostId || schema.hostId, timestamps, columns };
}
