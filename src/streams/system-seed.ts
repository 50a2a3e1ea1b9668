// A seed from the system: a port adapter. Everything else draws its chance from a Random made with it.
import { randomBytes } from 'node:crypto';

/** Unpredictable, and different at each call: 128 bits as hexadecimal digits. */
export function seedFromSystem(): string {
  return randomBytes(16).toString('hex');
}
