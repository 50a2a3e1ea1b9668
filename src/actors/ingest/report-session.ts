// One agent's stream: checks what comes, brings it to the shards, acknowledges in order.
//
// Invariants
//   1. Batch n is acknowledged only when every row of batches 1 … n was applied on a quorum, or rejected with its reason.
//   2. Batches come as 1, 2, 3, …; anything else ends the stream: something was lost on the way.
import { Subscription } from 'rxjs';
import { describeError, invalidArgument, VedetteError } from '../../core/errors.ts';
import {
  type AnnouncedSchema,
  checkFrame,
  checkHostLabels,
  checkSchema,
  type RejectedFrame,
} from '../../core/frame-check.ts';
import { type HostId, type Millis, parseHostId, type ShardId } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { vedette } from '../../core/proto.ts';
import { seriesBytes } from '../../core/series-codec.ts';
import { sizeText } from '../../core/units.ts';
import { type ReportSessionEffect, reportSessionMachine } from '../../machines/report-session.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Inspector } from '../../streams/inspector.ts';
import { runMachine } from '../../streams/run-machine.ts';
import type { ClusterConfig } from '../cluster/cluster-config.ts';
import type { CallContext, ReportCall } from '../monitor-service.ts';
import type { RowProposal } from '../shard/row-proposal.ts';
import { createBatchSplit } from './batch-split.ts';
import type { Router } from './router.ts';

export interface ReportSessionPorts {
  /** Of the chart: BROKER/session/N. */
  readonly machineId: string;
  readonly call: ReportCall;
  readonly context: CallContext;
  readonly router: Router;
  readonly shardOf: (host: HostId) => ShardId;
  readonly clock: Clock;
  readonly inspector: Inspector;
  readonly config: () => ClusterConfig;
  /** A heartbeat, or a Hello, which is as good as one. */
  readonly beat: (host: HostId, agent: string, clockSkewMs: Millis) => void;
  readonly acked: (rows: number) => void;
  readonly ended: () => void;
}

const {
  windowBatches,
  sessionBytesMax,
  schemasPerSessionMax,
  schemaBytesPerSessionMax,
  hostsPerHeartbeatMax,
  helloTimeoutMs,
} = limits.ingest;

interface Pending {
  readonly sequence: number;
  readonly bytes: number;
  readonly rows: number;
  readonly rejections: vedette.v1.IRejection[];
  readonly unknownSchemas: Set<number>;
  open: number;
}

export function openReportSession(ports: ReportSessionPorts): { close(error: VedetteError): void } {
  const { call, clock, router } = ports;
  const schemas = new Map<number, AnnouncedSchema>();
  const pending: Pending[] = [];
  const cancels = new Set<() => void>();
  let hello: vedette.v1.IHello | null = null;
  let labelsTold = false;
  let nextSequence = 1;
  let acked = 0;
  let bytes = 0;
  let schemaBytes = 0;
  let early: vedette.v1.IBatch | null = null;
  let ended = false;
  const requests = new Subscription();

  const machine = runMachine<typeof reportSessionMachine, ReportSessionEffect>(reportSessionMachine, {
    id: ports.machineId,
    kind: 'session',
    input: { helloTimeoutMs },
    clock,
    inspector: ports.inspector,
    onEffect: ({ type }) => {
      if (type === 'greet') answer({ serverTimeMs: clock.now() });
      if (type === 'pause') call.pause();
      if (type === 'resume') call.resume();
      if (type === 'refuseSilence') finish(invalidArgument('hello', 'no Hello came'));
    },
  });
  const tell = (type: 'hello' | 'full' | 'drained' | 'closed') => machine.send({ type, at: clock.monotonic() });

  function answer(extra: vedette.v1.IReportResponse): void {
    call.responses.send({
      ackedSequence: acked,
      sendWindow: windowBatches,
      heartbeatIntervalMs: ports.config()['agents.heartbeatMs'],
      ...extra,
    });
  }

  function finish(error?: VedetteError): void {
    if (ended) return;
    ended = true;
    for (const cancel of cancels) cancel();
    tell('closed');
    machine.stop();
    requests.unsubscribe();
    call.responses.close(error);
    ports.ended();
  }

  function receive({ hello: greeting, batch, heartbeat }: vedette.v1.ReportRequest): void {
    if (greeting !== null && greeting !== undefined) return greet(greeting);
    if (batch !== null && batch !== undefined) return hello === null ? keepEarly(batch) : take(batch);
    if (heartbeat !== null && heartbeat !== undefined) return beat(heartbeat);
    throw invalidArgument('body', 'a request holds a hello, a batch or a heartbeat');
  }

  function greet(greeting: vedette.v1.IHello): void {
    if (hello !== null) throw invalidArgument('hello', 'a session has one Hello');
    if ((greeting.agentId ?? '') === '') throw invalidArgument('hello.agent_id', 'agent_id is empty');
    if ((greeting.hostId ?? '') !== '') parseHostId(greeting.hostId ?? '', 'hello.host_id');
    checkHostLabels(greeting.labels ?? {}, 'hello.labels');
    hello = greeting;
    tell('hello');
    if ((greeting.hostId ?? '') !== '') ports.beat(parseHostId(greeting.hostId ?? ''), greeting.agentId ?? '', 0);
    if (early !== null) take(early);
    early = null;
  }

  function keepEarly(batch: vedette.v1.IBatch): void {
    if (early !== null)
      throw invalidArgument('hello', 'the session begins with a Hello; at most one batch may come before its answer');
    early = batch;
  }

  function beat({ sentAtMs, hostIds }: vedette.v1.IHeartbeat): void {
    if (hello === null) throw invalidArgument('hello', 'the session begins with a Hello');
    if ((hostIds ?? []).length > hostsPerHeartbeatMax)
      throw invalidArgument(
        'heartbeat.host_ids',
        `${hostIds?.length} hosts in a heartbeat; at most ${hostsPerHeartbeatMax} are taken: name the others in another`,
      );
    const skew = (sentAtMs ?? 0) === 0 ? 0 : (sentAtMs ?? 0) - clock.now();
    const own = hello.hostId ?? '';
    for (const id of own === '' ? (hostIds ?? []) : [own, ...(hostIds ?? [])]) {
      ports.beat(parseHostId(id, 'heartbeat.host_ids'), hello.agentId ?? '', skew);
    }
    answer({ serverTimeMs: clock.now(), echoSentAtMs: sentAtMs ?? 0 });
  }

  function take(batch: vedette.v1.IBatch): void {
    const sequence = batch.sequence ?? 0;
    if (sequence !== nextSequence)
      throw invalidArgument('batch.sequence', `batch ${nextSequence} comes next, not ${sequence}`);
    nextSequence++;
    const config = ports.config();
    const rejections: vedette.v1.IRejection[] = [];
    const unknownSchemas = new Set<number>();
    for (const schema of batch.schemas ?? []) learn(schema, sequence, rejections);
    const split = createBatchSplit(ports.shardOf);
    let rows = 0;
    let size = 0;
    for (const frame of batch.frames ?? []) {
      const checked = checkFrame(frame, {
        sessionHost: hello?.hostId ?? '',
        schema: (id) => schemas.get(id),
        now: clock.now(),
        futureMaxMs: config['frames.futureMaxMs'],
        pastMaxMs: config['frames.pastMaxMs'],
      });
      if (checked.verdict === 'rejected') {
        rejections.push(rejectionOf(checked, sequence));
        if (checked.code === 'unknown_schema') unknownSchemas.add(frame.schemaId ?? 0);
        continue;
      }
      split.add(checked);
      if (!labelsTold && checked.host === hello?.hostId) {
        labelsTold = true;
        split.hint({ host: checked.host, labels: hello.labels ?? {} });
      }
      rows += checked.timestamps.length;
      size += checked.values.byteLength;
    }
    const parts = split.finish();
    const entry: Pending = { sequence, bytes: size, rows, rejections, unknownSchemas, open: parts.length };
    pending.push(entry);
    bytes += size;
    for (const { shard, proposal } of parts) submit(shard, proposal, entry);
    if (entry.open === 0) acknowledge();
    else if (bytes >= sessionBytesMax || pending.length >= windowBatches) tell('full');
  }

  function learn(schema: vedette.v1.ISchema, sequence: number, rejections: vedette.v1.IRejection[]): void {
    const id = schema.schemaId ?? 0;
    if (id === 0) throw invalidArgument('batch.schemas.schema_id', 'schema ids begin at 1');
    const checked = checkSchema(schema);
    if ('verdict' in checked) {
      rejections.push(rejectionOf(checked, sequence));
      return;
    }
    const before = schemas.get(id);
    if (before !== undefined) {
      if (sameSchema(before, checked)) return;
      const reason = `schema ${id} was announced with other series before: a changed set of series takes a new id`;
      throw invalidArgument('batch.schemas.schema_id', reason);
    }
    schemas.set(id, checked);
    schemaBytes += seriesBytes(checked.series);
    if (schemas.size > schemasPerSessionMax || schemaBytes > schemaBytesPerSessionMax)
      throw new VedetteError(
        'RESOURCE_EXHAUSTED',
        `a session may announce at most ${schemasPerSessionMax} schemas, of ${sizeText(schemaBytesPerSessionMax)} together`,
      );
  }

  function submit(shard: ShardId, proposal: RowProposal, entry: Pending): void {
    const cancel = router.submit(shard, proposal, (error) => {
      cancels.delete(cancel);
      if (error !== null) return finish(error);
      entry.open--;
      acknowledge();
    });
    if (entry.open > 0) cancels.add(cancel);
  }

  /** As far as batches are settled from the first one on. */
  function acknowledge(): void {
    const rejections: vedette.v1.IRejection[] = [];
    const unknownSchemas = new Set<number>();
    let settled = 0;
    for (let first = pending[0]; first !== undefined && first.open === 0; first = pending[0]) {
      pending.shift();
      acked = first.sequence;
      bytes -= first.bytes;
      ports.acked(first.rows);
      rejections.push(...first.rejections);
      for (const id of first.unknownSchemas) unknownSchemas.add(id);
      settled++;
    }
    if (settled === 0 || ended) return;
    answer({ rejections, unknownSchemas: [...unknownSchemas] });
    if (bytes < sessionBytesMax / 2 && pending.length < windowBatches / 2) tell('drained');
  }

  requests.add(
    call.requests.subscribe({
      next(request) {
        if (ended) return;
        try {
          receive(request);
        } catch (error) {
          finish(error instanceof VedetteError ? error : new VedetteError('INTERNAL', describeError(error)));
        }
      },
      error: () => finish(),
      complete: () => finish(),
    }),
  );

  return { close: finish };
}

function sameSchema(a: AnnouncedSchema, b: AnnouncedSchema): boolean {
  return a.host === b.host && JSON.stringify(a.series) === JSON.stringify(b.series);
}

function rejectionOf({ host, code, reason }: RejectedFrame, sequence: number): vedette.v1.IRejection {
  return { sequence, hostId: host, code, reason };
}
