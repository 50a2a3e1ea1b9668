// The services as grpc-js wants them, from the generated messages: no reflection on the way of a message.
import { grpc, vedette } from '../../core/proto.ts';
import { encodePeerFrame } from './raft-frame-encoder.ts';

interface Codec<Plain, Full extends Plain> {
  encode(message: Plain): { finish(shared?: boolean): Uint8Array };
  decode(bytes: Uint8Array): Full;
}

/** grpc-js's MethodDefinition, with what decoding gives told apart from what encoding takes. */
export interface Method<Request, FullRequest extends Request, Response, FullResponse extends Response> {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestSerialize: (message: Request) => Buffer;
  readonly requestDeserialize: (encoded: Buffer) => FullRequest;
  readonly responseSerialize: (message: Response) => Buffer;
  readonly responseDeserialize: (encoded: Buffer) => FullResponse;
}

function method<Request, FullRequest extends Request, Response, FullResponse extends Response>(
  path: string,
  request: Codec<Request, FullRequest>,
  response: Codec<Response, FullResponse>,
  streams: { readonly request?: boolean; readonly response?: boolean } = {},
): Method<Request, FullRequest, Response, FullResponse> {
  const bytes = (encoded: Uint8Array) => Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength);
  return {
    path,
    requestStream: streams.request === true,
    responseStream: streams.response === true,
    requestSerialize: (message) => bytes(request.encode(message).finish(true)),
    requestDeserialize: (encoded) => request.decode(encoded),
    responseSerialize: (message) => bytes(response.encode(message).finish(true)),
    responseDeserialize: (encoded) => response.decode(encoded),
  };
}

const { v1 } = vedette;
const monitor = (name: string) => `/vedette.v1.MonitorService/${name}`;

export const monitorDefinition = {
  ReportMetrics: method(monitor('ReportMetrics'), v1.ReportRequest, v1.ReportResponse, {
    request: true,
    response: true,
  }),
  GetMetrics: method(monitor('GetMetrics'), v1.MetricsRequest, v1.MetricsResponse),
  StreamMetrics: method(monitor('StreamMetrics'), v1.MetricsRequest, v1.MetricsResponse, { response: true }),
  BatchGetMetrics: method(monitor('BatchGetMetrics'), v1.BatchMetricsRequest, v1.BatchMetricsResponse),
  Aggregate: method(monitor('Aggregate'), v1.AggregateRequest, v1.AggregateResponse),
  TopK: method(monitor('TopK'), v1.TopKRequest, v1.TopKResponse),
  ListHosts: method(monitor('ListHosts'), v1.ListHostsRequest, v1.ListHostsResponse),
  ListBrokers: method(monitor('ListBrokers'), v1.ListBrokersRequest, v1.ListBrokersResponse),
  Subscribe: method(monitor('Subscribe'), v1.SubscribeRequest, v1.SubscribeResponse, { response: true }),
};

const admin = (name: string) => `/vedette.v1.AdminService/${name}`;

export const adminDefinition = {
  GetStatus: method(admin('GetStatus'), v1.GetStatusRequest, v1.ClusterStatus),
  ListNodes: method(admin('ListNodes'), v1.ListNodesRequest, v1.ListNodesResponse),
  GetConfig: method(admin('GetConfig'), v1.GetConfigRequest, v1.ClusterConfig),
  OpenSession: method(admin('OpenSession'), v1.OpenSessionRequest, v1.OpenSessionResponse),
  SetConfig: method(admin('SetConfig'), v1.SetConfigRequest, v1.ClusterConfig),
  AddBroker: method(admin('AddBroker'), v1.AddBrokerRequest, v1.AddBrokerResponse),
  RemoveBroker: method(admin('RemoveBroker'), v1.RemoveBrokerRequest, v1.RemoveBrokerResponse),
  TransferLeadership: method(admin('TransferLeadership'), v1.TransferLeadershipRequest, v1.TransferLeadershipResponse),
  TakeSnapshot: method(admin('TakeSnapshot'), v1.TakeSnapshotRequest, v1.TakeSnapshotResponse),
};

export const raftDefinition = {
  InstallSnapshot: method('/vedette.v1.RaftService/InstallSnapshot', v1.SnapshotFrame, v1.SnapshotFrame, {
    request: true,
    response: true,
  }),
  Peer: {
    ...method('/vedette.v1.RaftService/Peer', v1.PeerFrame, v1.PeerFrame, { request: true, response: true }),
    requestSerialize: encodePeerFrame,
    responseSerialize: encodePeerFrame,
  },
};

const health = (name: string) => `/grpc.health.v1.Health/${name}`;
const { HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse } = grpc.health.v1;

export const healthDefinition = {
  Check: method(health('Check'), HealthCheckRequest, HealthCheckResponse),
  Watch: method(health('Watch'), HealthCheckRequest, HealthCheckResponse, { response: true }),
  List: method(health('List'), HealthListRequest, HealthListResponse),
};
