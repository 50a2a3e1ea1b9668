// A client of AdminService, of whichever broker of a list answers: one after another, later and later, until the time is over.
//
// Invariant: a change is one call of one session, so to ask another broker after one that did not answer makes it once.
import { Client, credentials } from '@grpc/grpc-js';
import { describeError, type ErrorCode, VedetteError } from '../../core/errors.ts';
import type { Millis } from '../../core/ids.ts';
import { limits } from '../../core/limits.ts';
import type { vedette } from '../../core/proto.ts';
import type { Clock } from '../../streams/clock.ts';
import type { Random } from '../../streams/random.ts';
import { backoffDelay } from '../../streams/retry.ts';
import { channelOptions, unaryCall } from './grpc-client.ts';
import { adminDefinition, type Method } from './grpc-definitions.ts';

/** Another broker may do better on these, or the same one later. */
const WORTH_ANOTHER: ReadonlySet<ErrorCode> = new Set(['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED']);

const { clientAttemptMs, clientDeadlineMs, retryBaseMs, retryMaxMs } = limits.control;
const USUAL = { attemptMs: clientAttemptMs, deadlineMs: clientDeadlineMs };

export interface AdminClient {
  /** @throws VedetteError UNAVAILABLE naming each broker and its cause when none could answer in time. */
  ask<Request, FullRequest extends Request, Response, FullResponse extends Response>(
    method: Method<Request, FullRequest, Response, FullResponse>,
    request: Request,
    patience?: { readonly attemptMs: Millis; readonly deadlineMs: Millis },
  ): Promise<FullResponse>;
  /** A session of its own for one change. */
  call(): Promise<vedette.v1.ICall>;
  close(): void;
}

export interface AdminClientPorts {
  /** gRPC addresses, at least one. */
  readonly addresses: readonly string[];
  readonly clock: Clock;
  readonly random: Random;
}

export function createAdminClient({ addresses, clock, random }: AdminClientPorts): AdminClient {
  const clients = addresses.map((address) => ({
    address,
    client: new Client(address, credentials.createInsecure(), channelOptions),
  }));
  /** The one that answered last is asked first. */
  let at = 0;

  const ask: AdminClient['ask'] = async (method, request, { attemptMs, deadlineMs } = USUAL) => {
    const deadline = clock.monotonic() + deadlineMs;
    const failures = new Map<string, string>();
    for (let attempt = 1; ; attempt++) {
      const left = deadline - clock.monotonic();
      const next = clients[at % clients.length];
      if (left <= 0 || next === undefined) break;
      try {
        return await unaryCall(next.client, method, request, { deadlineMs: Math.min(left, attemptMs) });
      } catch (error) {
        if (!(error instanceof VedetteError) || !WORTH_ANOTHER.has(error.code)) throw error;
        failures.set(next.address, describeError(error));
        at++;
      }
      // Each is asked once at once; then they are given time.
      const round = Math.floor(attempt / clients.length);
      if (round > 0) await pause(backoffDelay(round, { baseMs: retryBaseMs, maxMs: retryMaxMs }, random));
    }
    const causes = [...failures].map(([address, cause]) => `${address}: ${cause}`).join('; ');
    throw new VedetteError('UNAVAILABLE', `no broker could answer (${causes})`);
  };

  const pause = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(ms, resolve));

  return {
    ask,
    async call() {
      const { session } = await ask(adminDefinition.OpenSession, {});
      return { session, sequence: 1 };
    },
    close() {
      for (const { client } of clients) client.close();
    },
  };
}
