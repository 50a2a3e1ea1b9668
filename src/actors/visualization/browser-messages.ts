// What a browser may say on the WebSocket, checked at the edge. Names and meanings: the WebSocket part of docs/protocol.md.
import { z } from 'zod';
import { invalidArgument, VedetteError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';

const subscriptionId = z.string().min(1).max(100);
const selectors = z.array(z.string().min(1).max(1000)).max(200);

const subscribe = z.object({
  op: z.literal('subscribe'),
  id: subscriptionId,
  kind: z.enum(['rows', 'topk', 'aggregate']).default('rows'),
  hosts: selectors.default(['*']),
  metrics: selectors.default([]),
  cursor: z.string().max(4096).nullish(),
  backfillMs: z.number().int().min(0).max(0xffff_ffff).default(0),
  delivery: z.enum(['every', 'latest']).default('latest'),
  maxRateHz: z.number().min(0).max(1000).default(0),
  events: z.boolean().default(false),
  window: z.number().int().min(1).max(limits.dashboard.windowMax).optional(),
});

const update = z.object({
  op: z.literal('update'),
  id: subscriptionId,
  hosts: selectors.optional(),
  metrics: selectors.optional(),
  maxRateHz: z.number().min(0).max(1000).optional(),
  events: z.boolean().optional(),
});

const unsubscribe = z.object({ op: z.literal('unsubscribe'), id: subscriptionId });
const ack = z.object({ op: z.literal('ack'), id: subscriptionId, cursor: z.string().max(4096) });

const browserMessage = z.discriminatedUnion('op', [subscribe, update, unsubscribe, ack]);

export type BrowserMessage = z.infer<typeof browserMessage>;
export type SubscribeMessage = z.infer<typeof subscribe>;
export type UpdateMessage = z.infer<typeof update>;

/** The id in a message that is otherwise wrong, so that the error can be told to the right subscription. */
export function idOf(text: string): string | undefined {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && 'id' in value && typeof value.id === 'string') return value.id;
  } catch {
    // Not JSON at all: nobody in particular is meant.
  }
  return undefined;
}

/** @throws VedetteError INVALID_ARGUMENT naming the field. */
export function parseBrowserMessage(text: string): BrowserMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw invalidArgument('message', 'a message must be one JSON object');
  }
  const parsed = browserMessage.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const field = issue?.path.join('.') || 'op';
  if (field === 'op') {
    throw invalidArgument('op', 'op must be one of subscribe, update, unsubscribe, ack');
  }
  throw invalidArgument(field, `${field}: ${issue?.message ?? 'not valid'}`);
}

/** Any error as the `error` message of the protocol. */
export function errorMessage(id: string | undefined, error: unknown): string {
  const known = error instanceof VedetteError;
  return JSON.stringify({
    op: 'error',
    ...(id === undefined ? {} : { id }),
    error: {
      code: known ? error.code : 'INTERNAL',
      message: known ? error.message : 'internal error',
      ...(known && error.field !== undefined ? { field: error.field } : {}),
    },
  });
}
