// One browser's WebSocket: its subscriptions by id. A message that cannot be taken is answered with an error and changes nothing;
// a client that sends nothing else is closed.
import { describeError, invalidArgument, VedetteError } from '../../core/errors.ts';
import { limits } from '../../core/limits.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Inspector } from '../../streams/inspector.ts';
import type { Random } from '../../streams/random.ts';
import type { WsConnection } from '../transports/ws-server.ts';
import type { BrokerPool } from './broker-pool.ts';
import {
  type BrowserMessage,
  errorMessage,
  idOf,
  parseBrowserMessage,
  type SubscribeMessage,
} from './browser-messages.ts';
import { openViewerSubscription, type ViewerSubscription } from './viewer-subscription.ts';

export interface BrowserPorts {
  readonly connection: WsConnection;
  readonly pool: BrokerPool;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
  /** Numbers subscriptions through the life of the dashboard. */
  readonly nextNumber: () => number;
}

const BINARY_SUBPROTOCOL = 'vedette.v1.proto';
const POLICY_VIOLATION = 1008;

export interface BrowserSession {
  /** How many are open. */
  readonly subscriptions: number;
  close(): void;
}

/** Serves the connection until it closes; `ended` is called once then. */
export function serveBrowser(ports: BrowserPorts, ended: () => void): BrowserSession {
  const { connection } = ports;
  const subscriptions = new Map<string, ViewerSubscription>();
  let malformed = 0;

  function subscribe(request: SubscribeMessage): void {
    if (subscriptions.has(request.id)) {
      throw new VedetteError(
        'ALREADY_EXISTS',
        `subscription ${JSON.stringify(request.id)} is running; unsubscribe it first`,
        {
          field: 'id',
        },
      );
    }
    if (request.kind !== 'rows') {
      throw new VedetteError('UNIMPLEMENTED', `subscriptions of kind ${request.kind} are not in this release`, {
        field: 'kind',
      });
    }
    if (subscriptions.size >= limits.dashboard.subscriptionsPerConnectionMax) {
      const most = limits.dashboard.subscriptionsPerConnectionMax;
      throw new VedetteError('RESOURCE_EXHAUSTED', `a connection may have at most ${most} subscriptions`);
    }
    const subscription = openViewerSubscription({
      machineId: `dashboard/subscription/${ports.nextNumber()}`,
      request,
      binary: connection.subprotocol === BINARY_SUBPROTOCOL,
      pool: ports.pool,
      clock: ports.clock,
      random: ports.random,
      inspector: ports.inspector,
      send: (message) => connection.send(message),
      ended: () => {
        if (subscriptions.get(request.id) === subscription) subscriptions.delete(request.id);
        subscription.close();
      },
    });
    subscriptions.set(request.id, subscription);
  }

  function existing(id: string): ViewerSubscription {
    const subscription = subscriptions.get(id);
    if (subscription === undefined) {
      throw new VedetteError('NOT_FOUND', `no subscription ${JSON.stringify(id)} on this connection`, { field: 'id' });
    }
    return subscription;
  }

  function handle(message: BrowserMessage): void {
    switch (message.op) {
      case 'subscribe':
        return subscribe(message);
      case 'update':
        return existing(message.id).update(message);
      case 'ack':
        return existing(message.id).acknowledge(message.cursor);
      case 'unsubscribe':
        existing(message.id).close();
        subscriptions.delete(message.id);
        return;
    }
  }

  function receive(data: string | Uint8Array): void {
    try {
      if (typeof data !== 'string') throw invalidArgument('message', 'messages to the server are JSON text frames');
      handle(parseBrowserMessage(data));
      malformed = 0;
    } catch (error) {
      connection.send(errorMessage(typeof data === 'string' ? idOf(data) : undefined, error));
      if (error instanceof VedetteError && error.code !== 'INVALID_ARGUMENT') return;
      malformed++;
      if (malformed >= limits.dashboard.malformedMessagesMax) {
        connection.close(
          POLICY_VIOLATION,
          `${malformed} malformed messages in a row; the last: ${describeError(error)}`.slice(0, 120),
        );
      }
    }
  }

  function end(): void {
    for (const subscription of subscriptions.values()) subscription.close();
    subscriptions.clear();
    ended();
  }

  const received = connection.inbox.subscribe({ next: receive, error: () => {} });
  const drains = connection.drained.subscribe(() => {
    for (const subscription of subscriptions.values()) subscription.drained();
  });
  connection.closed.subscribe(() => {
    received.unsubscribe();
    drains.unsubscribe();
    end();
  });
  return {
    get subscriptions() {
      return subscriptions.size;
    },
    close: () => connection.close(1001, 'the dashboard is stopping'),
  };
}
