// The page's one WebSocket. It reconnects by itself, and every subscription goes on from its last cursor, so that a dashboard that
// was restarted costs a moment and no row.
import { createSignal } from 'solid-js';
import { createDecoder, type Data, splitMessage } from './decode.ts';

export type LinkState = 'connecting' | 'live' | 'lost';

export interface SubscribeOptions {
  readonly hosts: readonly string[];
  readonly metrics: readonly string[];
  readonly delivery: 'every' | 'latest';
  readonly backfillMs: number;
  readonly maxRateHz?: number;
  readonly events?: boolean;
}

export interface SubscriptionHandlers {
  data(data: Data): void;
  gap?(fromMs: number, toMs: number, reason: string): void;
  error?(code: string, message: string): void;
}

interface Subscription {
  readonly id: string;
  readonly options: SubscribeOptions;
  readonly handlers: SubscriptionHandlers;
  decode: (body: Uint8Array) => Data;
  cursor: string | null;
}

const RETRY_MS = [50, 100, 200, 400, 800, 1500];
const subscriptions = new Map<string, Subscription>();
const [linkState, setLinkState] = createSignal<LinkState>('connecting');
const [reconnects, setReconnects] = createSignal(0);
const [lastRowAt, setLastRowAt] = createSignal(0);
const [latencyMs, setLatencyMs] = createSignal<number | null>(null);
const [conflatedRows, setConflatedRows] = createSignal(0);

export { conflatedRows, lastRowAt, latencyMs, linkState, reconnects };

let socket: WebSocket | null = null;
let attempt = 0;
let nextId = 1;

function connect(): void {
  const url = new URL('/api/v1/stream', location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const opening = new WebSocket(url, 'vedette.v1.proto');
  opening.binaryType = 'arraybuffer';
  opening.onopen = () => {
    attempt = 0;
    setLinkState('live');
    for (const subscription of subscriptions.values()) announce(subscription);
  };
  opening.onmessage = (message) => {
    if (typeof message.data === 'string') receiveText(message.data);
    else receiveBinary(new Uint8Array(message.data as ArrayBuffer));
  };
  opening.onclose = () => {
    socket = null;
    // An attempt that fails is not another loss.
    if (linkState() === 'live') setReconnects((count) => count + 1);
    setLinkState('lost');
    const delay = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)] ?? 1500;
    attempt++;
    setTimeout(connect, delay * (0.5 + Math.random() / 2));
  };
  socket = opening;
}

function announce(subscription: Subscription): void {
  if (socket?.readyState !== WebSocket.OPEN) return;
  subscription.decode = createDecoder();
  const { id, cursor, options } = subscription;
  socket.send(JSON.stringify({ op: 'subscribe', id, cursor, ...options }));
}

function receiveBinary(bytes: Uint8Array): void {
  const { id, body } = splitMessage(bytes);
  const subscription = subscriptions.get(id);
  if (subscription === undefined) return;
  const data = subscription.decode(body);
  subscription.cursor = data.cursor;
  const newest = data.rows.at(-1)?.timestamps.at(-1);
  if (newest !== undefined) {
    setLastRowAt(Date.now());
    setLatencyMs(Math.max(0, Date.now() - newest));
  }
  if (data.conflatedRows > 0) setConflatedRows((count) => count + data.conflatedRows);
  subscription.handlers.data(data);
}

interface TextMessage {
  op: string;
  id?: string;
  fromMs?: number;
  toMs?: number;
  reason?: string;
  error?: { code: string; message: string };
}

function receiveText(text: string): void {
  const message = JSON.parse(text) as TextMessage;
  const subscription = message.id === undefined ? undefined : subscriptions.get(message.id);
  if (subscription === undefined) return;
  if (message.op === 'gap') subscription.handlers.gap?.(message.fromMs ?? 0, message.toMs ?? 0, message.reason ?? '');
  if (message.op !== 'error' || message.error === undefined) return;
  const { code, message: reason } = message.error;
  if (code === 'INVALID_ARGUMENT' && subscription.cursor !== null) {
    // The cursor is of a cluster that is no more (its data were wiped): begin anew.
    subscription.cursor = null;
    announce(subscription);
    return;
  }
  subscription.handlers.error?.(code, reason);
}

/** Subscribes until the returned function is called; survives reconnects. */
export function subscribe(options: SubscribeOptions, handlers: SubscriptionHandlers): () => void {
  const id = `s${nextId++}`;
  const subscription: Subscription = { id, options, handlers, decode: createDecoder(), cursor: null };
  subscriptions.set(id, subscription);
  announce(subscription);
  return () => {
    subscriptions.delete(id);
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ op: 'unsubscribe', id }));
  };
}

connect();
