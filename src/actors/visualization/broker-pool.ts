// The brokers, as the dashboard knows them: found from any seed address and followed as the cluster changes. Calls go round; a
// failed one is tried on the next broker only when that may help, and a slow one there as well.
import { type ErrorCode, VedetteError } from '../../core/errors.ts';
import type { Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { Clock, Timer } from '../../streams/clock.ts';
import type { Random } from '../../streams/random.ts';
import type { MonitorClient } from '../monitor-client.ts';
import { firstAnswer } from './first-answer.ts';

export interface KnownBroker {
  readonly id: string;
  readonly grpcAddress: string;
  readonly httpAddress: string;
}

export interface BrokerPool {
  readonly brokers: readonly KnownBroker[];
  readonly clusterId: string;
  /** The last round of asking reached a broker. */
  readonly reachable: boolean;
  /**
   * Asks one broker after another until one answers; the next one as well when one is slow.
   * @throws VedetteError of the first broker when asking others cannot help; UNAVAILABLE naming each broker and its cause when
   * all failed.
   */
  call<T>(ask: (client: MonitorClient, deadlineMs: Millis) => Promise<T>): Promise<T>;
  /** A client of the next broker in turn; of another one than that at `except`, when there is one. */
  next(except: string | null): MonitorClient;
  stop(): void;
}

export interface BrokerPoolPorts {
  /** gRPC addresses, at least one. */
  readonly seeds: readonly string[];
  readonly clients: (address: string) => MonitorClient;
  readonly clock: Clock;
  readonly random: Random;
}

/** Another broker may do better on these; on everything else it would say the same. */
const WORTH_ANOTHER_BROKER: ReadonlySet<ErrorCode> = new Set([
  'UNAVAILABLE',
  'DEADLINE_EXCEEDED',
  'RESOURCE_EXHAUSTED',
  'INTERNAL',
]);

export function createBrokerPool({ seeds, clients, clock, random }: BrokerPoolPorts): BrokerPool {
  const { membersIntervalMs, callDeadlineMs, callPatienceMs } = limits.dashboard;
  let known: readonly KnownBroker[] = [];
  let clusterId = '';
  let reachable = false;
  let at = random.integer(0, seeds.length - 1);
  let timer: Timer | null = null;
  let stopped = false;

  const addresses = () => (known.length > 0 ? known.map((broker) => broker.grpcAddress) : seeds);

  function next(except: string | null): MonitorClient {
    const all = addresses();
    at = (at + 1) % all.length;
    if (all[at] === except) at = (at + 1) % all.length;
    return clients(all[at] ?? '');
  }

  function call<T>(ask: (client: MonitorClient, deadlineMs: Millis) => Promise<T>): Promise<T> {
    const all = addresses();
    at = (at + 1) % all.length;
    const inTurn = [...all.slice(at), ...all.slice(0, at)].map(clients);
    return firstAnswer(inTurn, (client) => ask(client, callDeadlineMs), {
      clock,
      patienceMs: callPatienceMs,
      worthAnother: (error) => error instanceof VedetteError && WORTH_ANOTHER_BROKER.has(error.code),
      nameOf: ({ address }) => address,
      nobody: 'no broker could answer',
    });
  }

  /** The seeds are asked as well when no member answers: the whole cluster may have moved. */
  async function learn(): Promise<void> {
    const candidates = [...new Set([...addresses(), ...seeds])];
    for (let tried = 0; tried < candidates.length && !stopped; tried++) {
      at = (at + 1) % candidates.length;
      try {
        const answer = await clients(candidates[at] ?? '').listBrokers({ deadlineMs: callDeadlineMs });
        known = answer.brokers.flatMap(({ brokerId, grpcAddress, httpAddress }) =>
          grpcAddress ? [{ id: brokerId ?? '', grpcAddress, httpAddress: httpAddress ?? '' }] : [],
        );
        clusterId = answer.clusterId;
        reachable = true;
        return;
      } catch {
        // The next one is asked; when all fail, `reachable` says so.
      }
    }
    reachable = false;
  }

  function round(): void {
    void learn().finally(() => {
      // Until everything is known (a cluster that is just starting), ask more often.
      const settled = reachable && known.length > 0 && known.every((broker) => broker.httpAddress !== '');
      if (!stopped) timer = clock.after(settled ? membersIntervalMs : 500, round);
    });
  }

  round();
  return {
    get brokers() {
      return known;
    },
    get clusterId() {
      return clusterId;
    },
    get reachable() {
      return reachable;
    },
    call,
    next,
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
