// A client of MonitorService, as agents, dashboards and brokers (for what another broker holds) use it. gRPC implements it in
// production, the simulator in memory.
import type { vedette } from '../core/proto.ts';
import type { Source } from '../streams/sink.ts';
import type { Wire } from '../streams/wire.ts';

export interface CallOptions {
  readonly deadlineMs?: number;
  /** Set by a broker that passes on a call: the receiver answers from what it holds itself, and never passes it on again. */
  readonly forwarded?: boolean;
}

/** Every promise and stream fails with a VedetteError only. */
export interface MonitorClient {
  readonly address: string;
  /** An agent's session. The wire's inbox errors when the call ends with a status. */
  reportMetrics(): Wire<vedette.v1.ReportResponse, vedette.v1.IReportRequest>;
  getMetrics(request: vedette.v1.IMetricsRequest, options?: CallOptions): Promise<vedette.v1.MetricsResponse>;
  listHosts(request: vedette.v1.IListHostsRequest, options?: CallOptions): Promise<vedette.v1.ListHostsResponse>;
  listBrokers(options?: CallOptions): Promise<vedette.v1.ListBrokersResponse>;
  /** Begins the call; `close` cancels it. */
  subscribe(request: vedette.v1.ISubscribeRequest, options?: CallOptions): Source<vedette.v1.SubscribeResponse>;
  close(): void;
}
