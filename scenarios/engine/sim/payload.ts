// Proposals' payloads: the proposal's number, then bytes that follow from it.
import { takeBytes } from './arena.ts';

const NUMBER_BYTES = 4;

/** @param bytes of the whole payload; at least its number fits in any case. */
export function encodeProposal(proposal: number, bytes: number): Uint8Array {
  const payload = takeBytes(Math.max(NUMBER_BYTES, bytes));
  new DataView(payload.buffer, payload.byteOffset).setUint32(0, proposal, true);
  payload.fill(proposal & 0xff, NUMBER_BYTES);
  return payload;
}

export function proposalIn(payload: Uint8Array): number {
  return new DataView(payload.buffer, payload.byteOffset, payload.byteLength).getUint32(0, true);
}
