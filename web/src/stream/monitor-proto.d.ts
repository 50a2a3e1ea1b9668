declare module 'virtual:monitor-proto' {
  interface Series {
    metric: string;
    labels: Record<string, string>;
    unit: string;
  }
  interface SubscribeResponse {
    cursor: string;
    frames: { hostId: string; timestampsMs: number[]; schemaId: number; packed: Uint8Array }[];
    events: { kind: string; subject: string; state: string; message: string; atMs: number }[];
    conflatedRows: number;
    schemas: { schemaId: number; hostId: string; series: Series[] }[];
  }
  export const vedette: { v1: { SubscribeResponse: { decode(bytes: Uint8Array): SubscribeResponse } } };
}
