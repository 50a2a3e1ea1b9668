// What a broker answers, free of any transport. The gRPC server calls it, and so does the simulator.
import type { vedette } from '../core/proto.ts';
import type { Sink } from '../streams/sink.ts';
import type { Observable } from 'rxjs';

export interface CallContext {
  /** The caller is another broker: answer from what this one holds, never pass on. */
  readonly forwarded: boolean;
  /** For messages to people. */
  readonly remoteAddress: string;
}

/** An agent's open session. `requests` completes when the agent half-closes and errors when the stream breaks. */
export interface ReportCall {
  readonly requests: Observable<vedette.v1.ReportRequest>;
  readonly responses: Sink<vedette.v1.IReportResponse>;
  /** Holds the agent back by flow control. */
  pause(): void;
  resume(): void;
}

/** Promises reject with a VedetteError only. */
export interface MonitorService {
  reportMetrics(call: ReportCall, context: CallContext): void;
  getMetrics(request: vedette.v1.MetricsRequest, context: CallContext): Promise<vedette.v1.IMetricsResponse>;
  listHosts(request: vedette.v1.ListHostsRequest, context: CallContext): Promise<vedette.v1.IListHostsResponse>;
  listBrokers(context: CallContext): Promise<vedette.v1.IListBrokersResponse>;
  subscribe(
    request: vedette.v1.SubscribeRequest,
    sink: Sink<vedette.v1.ISubscribeResponse>,
    context: CallContext,
  ): void;
}
