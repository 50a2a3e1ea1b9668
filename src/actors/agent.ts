// The agent of one host: samples it, keeps what is not acknowledged on disk, and reports over one stream to any broker.
//
//   collector ─▶ recorder ─▶ queue on disk ─▶ batcher ─▶ session wire ─▶ broker
//                                ▲                          │
//                                └──── acknowledged ◀───────┘          decided by machines/agent.ts
import type { Subscription } from 'rxjs';
import { describeError } from '../core/errors.ts';
import type { AgentId, HostId, Millis } from '../core/ids.ts';
import { limits } from '../core/limits.ts';
import type { vedette } from '../core/proto.ts';
import { type AgentEffect, agentMachine } from '../machines/agent.ts';
import type { Clock, Timer } from '../streams/clock.ts';
import type { Inspector } from '../streams/inspector.ts';
import type { Random } from '../streams/random.ts';
import { turnDelay } from '../streams/retry.ts';
import { runMachine } from '../streams/run-machine.ts';
import type { Wire } from '../streams/wire.ts';
import { type Batcher, createBatcher } from './agent/batcher.ts';
import { createCandidates } from './agent/candidates.ts';
import type { Collector } from './agent/collector.ts';
import { startRecorder } from './agent/recorder.ts';
import type { SchemaTable } from './agent/schema-table.ts';
import type { MonitorClient } from './monitor-client.ts';
import type { SampleQueue } from './stores/queue.ts';

export interface AgentPorts {
  readonly hostId: HostId;
  /** A new one for every start of the process. */
  readonly agentId: AgentId;
  readonly labels: Readonly<Record<string, string>>;
  readonly version: string;
  readonly intervalMs: Millis;
  /** Seed addresses, at least one. */
  readonly brokers: readonly string[];
  readonly clients: (address: string) => MonitorClient;
  readonly clock: Clock;
  readonly random: Random;
  readonly inspector: Inspector;
  readonly collector: Collector;
  readonly queue: SampleQueue;
  readonly schemas: SchemaTable;
  readonly warn: (message: string) => void;
  readonly options?: Partial<typeof limits.agent>;
}

export interface AgentStatus {
  readonly state: string;
  readonly broker: string | null;
  readonly sampledRows: number;
  readonly ackedRows: number;
  readonly queuedRows: number;
  /** Lost to the queue's limits, for good. */
  readonly droppedRows: number;
  /** Frames, of one row or many, that the brokers refused, for good. */
  readonly rejectedFrames: number;
  /** The broker's clock less this host's. */
  readonly clockSkewMs: Millis | null;
}

export interface Agent {
  readonly status: AgentStatus;
  /** Ends the session; what is not acknowledged stays in the queue. */
  stop(): void;
}

type Response = vedette.v1.ReportResponse;
type SessionWire = Wire<Response, vedette.v1.IReportRequest>;

/** What belongs to one session, and ends with it. */
interface Session {
  readonly address: string;
  readonly wire: SessionWire;
  readonly subscription: Subscription;
  readonly batcher: Batcher;
  /** Batches on their way, oldest first. */
  inflight: { readonly sequence: number; readonly throughSequence: number; readonly rows: number }[];
  accepted: boolean;
}

const REJECTION_SILENCE_MS = 60_000;

export function createAgent(ports: AgentPorts): Agent {
  const { clock, random, queue, schemas, warn } = ports;
  const options = { ...limits.agent, ...ports.options };
  const candidates = createCandidates(ports.brokers, random.integer(0, ports.brokers.length - 1));
  const counters = { acked: 0, rejected: 0, lost: 0 };
  /** Schemas that a broker did not know although they were announced to it. */
  const refusedSchemas = new Set<number>();
  const rejectionSaidAt = new Map<string, Millis>();
  let session: Session | null = null;
  let retry: Timer | null = null;
  let members: Timer | null = null;
  let clockSkewMs: Millis | null = null;
  let stopped = false;

  const machine = runMachine<typeof agentMachine, AgentEffect>(agentMachine, {
    id: `agent/${ports.hostId}`,
    kind: 'agent',
    input: {
      connectTimeoutMs: options.connectTimeoutMs,
      ackTimeoutMs: options.ackTimeoutMs,
      heartbeatMs: options.heartbeatMs,
    },
    clock,
    inspector: ports.inspector,
    onEffect: carryOut,
  });

  const recorder = startRecorder({
    clock,
    collector: ports.collector,
    queue,
    schemas,
    intervalMs: ports.intervalMs,
    recorded: () => machine.send({ type: 'recorded', at: clock.monotonic() }),
    warn,
  });

  function carryOut(effect: AgentEffect): void {
    switch (effect.type) {
      case 'connect':
        return connect();
      case 'disconnect':
        return disconnect();
      case 'heartbeat':
        session?.wire.outbox.next({ heartbeat: { sentAtMs: clock.now(), hostIds: [] } });
        return;
      case 'send':
        return sendBatches(effect.params.batches);
      case 'scheduleRetry':
        return scheduleRetry(effect.params.attempt);
    }
  }

  function connect(): void {
    disconnect();
    const address = candidates.next();
    const wire = ports.clients(address).reportMetrics();
    const lost = (reason: string) => {
      if (session?.wire !== wire) return;
      if (session.accepted) warn(`lost ${address}: ${reason}`);
      disconnect();
      machine.send({ type: 'lost', at: clock.monotonic() });
    };
    const batcher = createBatcher(queue, schemas, options, () => counters.lost++);
    const subscription = wire.inbox.subscribe({
      next: (response) => {
        if (session?.wire === wire) receive(session, response);
      },
      error: (error: unknown) => lost(describeError(error)),
      complete: () => lost('the broker closed the session'),
    });
    session = { address, wire, subscription, batcher, inflight: [], accepted: false };
    const { agentId, hostId, labels, version } = ports;
    wire.outbox.next({ hello: { agentId, hostId, labels: { ...labels }, version } });
  }

  function disconnect(): void {
    const ending = session;
    session = null;
    ending?.subscription.unsubscribe();
    ending?.wire.outbox.complete();
  }

  function receive(from: Session, response: Response): void {
    if (response.echoSentAtMs > 0) noteSkew(response);
    if (response.unknownSchemas.some((schema) => !refusedSchemas.has(schema))) {
      // Perhaps the broker forgot what was announced: a new session announces everything anew, and the rows are still queued. One that
      // is unknown there as well was refused: then its rows are, too, or nothing behind them would ever come through.
      for (const schema of response.unknownSchemas) refusedSchemas.add(schema);
      for (const rejection of response.rejections) noteRejection(rejection);
      machine.send({ type: 'moved', at: clock.monotonic() });
      return;
    }
    const acked = acknowledge(from, response);
    if (!from.accepted) {
      from.accepted = true;
      machine.send({
        type: 'accepted',
        window: response.sendWindow,
        heartbeatMs: response.heartbeatIntervalMs || options.heartbeatMs,
        backlog: from.batcher.backlog,
        at: clock.monotonic(),
      });
      learnMembers();
    } else {
      machine.send({ type: 'answered', acked, window: response.sendWindow, at: clock.monotonic() });
    }
    if (response.moveTo !== '' && response.moveTo !== from.address) {
      candidates.prefer(response.moveTo);
      machine.send({ type: 'moved', at: clock.monotonic() });
    }
  }

  /** Returns how many batches the answer settles. */
  function acknowledge(from: Session, response: Response): number {
    for (const rejection of response.rejections) noteRejection(rejection);
    let acked = 0;
    for (
      let first = from.inflight[0];
      first !== undefined && first.sequence <= response.ackedSequence;
      first = from.inflight[0]
    ) {
      from.inflight.shift();
      counters.acked += first.rows;
      queue.ackThrough(first.throughSequence);
      acked++;
    }
    return acked;
  }

  /** A reason that repeats every second is said once a minute. */
  function noteRejection({ code, reason, hostId }: vedette.v1.IRejection): void {
    counters.rejected++;
    const now = clock.monotonic();
    const key = code ?? '';
    if (now - (rejectionSaidAt.get(key) ?? Number.NEGATIVE_INFINITY) < REJECTION_SILENCE_MS) return;
    rejectionSaidAt.set(key, now);
    warn(`the broker refused rows of ${hostId || ports.hostId} (${key}): ${reason}`);
  }

  /** Half the round trip is taken for the way back. */
  function noteSkew(response: Response): void {
    const now = clock.now();
    clockSkewMs = Math.round(response.serverTimeMs - (response.echoSentAtMs + now) / 2);
  }

  function sendBatches(count: number): void {
    const into = session;
    if (into === null || count === 0) return;
    let sent = 0;
    for (; sent < count; sent++) {
      const outgoing = into.batcher.next();
      if (outgoing === null) break;
      const sequence = outgoing.batch.sequence ?? 0;
      into.inflight.push({ sequence, throughSequence: outgoing.throughSequence, rows: outgoing.rows });
      into.wire.outbox.next({ batch: outgoing.batch });
    }
    machine.send({ type: 'sent', batches: sent, backlog: into.batcher.backlog, at: clock.monotonic() });
  }

  function scheduleRetry(attempt: number): void {
    retry?.cancel();
    const { backoffBaseMs: baseMs, backoffMaxMs: maxMs } = options;
    const delay = turnDelay(attempt, candidates.count, { baseMs, maxMs }, random);
    retry = clock.after(delay, () => machine.send({ type: 'retry.due', at: clock.monotonic() }));
  }

  /** Asks the broker in use who else there is, now and every so often. */
  function learnMembers(): void {
    members?.cancel();
    if (stopped || session === null) return;
    members = clock.after(options.membersIntervalMs, learnMembers);
    ports
      .clients(session.address)
      .listBrokers()
      .then(
        ({ brokers }) => {
          const addresses = brokers.map((broker) => broker.grpcAddress ?? '').filter((address) => address !== '');
          if (!stopped && addresses.length > 0) candidates.learn(addresses);
        },
        // Not knowing the others yet is no harm: the seeds remain, and the next round asks again.
        () => {},
      );
  }

  return {
    get status() {
      return {
        state: outermost(machine.snapshot.value),
        broker: session?.accepted === true ? session.address : null,
        sampledRows: recorder.rows,
        ackedRows: counters.acked,
        queuedRows: queue.nextSequence - queue.firstSequence,
        droppedRows: queue.droppedRows + counters.lost,
        rejectedFrames: counters.rejected,
        clockSkewMs,
      };
    },
    stop() {
      if (stopped) return;
      stopped = true;
      recorder.stop();
      retry?.cancel();
      members?.cancel();
      machine.send({ type: 'stop', at: clock.monotonic() });
      machine.stop();
      queue.close();
    },
  };
}

function outermost(value: string | object): string {
  return typeof value === 'string' ? value : (Object.keys(value)[0] ?? '');
}
