// Reflection, so that tools find a broker's services by themselves. What it answers takes as much processor time to make as a quarter of
// a broker's start, and most brokers are never asked: it is made at the first call.
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Server, ServerDuplexStream } from '@grpc/grpc-js';
import type { loadSync } from '@grpc/proto-loader';
import type { ReflectionService } from '@grpc/reflection';
import { present } from '../../core/assert.ts';
import { packageRoot } from '../package-root.ts';

type Definition = Parameters<Server['addService']>[0];
type Implementation = Parameters<Server['addService']>[1];
interface Reflection {
  readonly definition: Definition[string];
  readonly answer: (stream: ServerDuplexStream<unknown, unknown>) => void;
}

const METHOD = 'ServerReflectionInfo';
const SERVICES = ['grpc.reflection.v1.ServerReflection', 'grpc.reflection.v1alpha.ServerReflection'];
const pathOf = (service: string) => `/${service}/${METHOD}`;

export function addReflection(server: Server): void {
  let made: ReadonlyMap<string, Reflection> | null = null;
  for (const service of SERVICES) {
    const path = pathOf(service);
    const known = (): Reflection => {
      made ??= makeReflection();
      return present(made.get(path), path);
    };
    const method: Definition[string] = {
      path,
      requestStream: true,
      responseStream: true,
      requestSerialize: (value) => known().definition.requestSerialize(value),
      requestDeserialize: (bytes) => known().definition.requestDeserialize(bytes),
      responseSerialize: (value) => known().definition.responseSerialize(value),
      responseDeserialize: (bytes) => known().definition.responseDeserialize(bytes),
    };
    server.addService({ [METHOD]: method }, {
      [METHOD]: (stream: ServerDuplexStream<unknown, unknown>) => known().answer(stream),
    } as Implementation);
  }
}

/** By the path of its method: what the package would have added to a server. */
function makeReflection(): ReadonlyMap<string, Reflection> {
  const directory = fileURLToPath(new URL('proto', packageRoot));
  const files = ['monitor.proto', 'admin.proto', 'peer.proto'].map((name) => join(directory, 'vedette/v1', name));
  const require = createRequire(import.meta.url);
  const { ReflectionService: Service } = require('@grpc/reflection') as { ReflectionService: typeof ReflectionService };
  const { loadSync: load } = require('@grpc/proto-loader') as { loadSync: typeof loadSync };
  const made = new Map<string, Reflection>();
  const listener = {
    addService(definitions: Definition, implementation: Implementation) {
      const definition = present(definitions[METHOD], METHOD);
      made.set(definition.path, { definition, answer: implementation[METHOD] as Reflection['answer'] });
    },
  };
  new Service(load(files, { includeDirs: [directory], keepCase: true })).addToServer(listener);
  return made;
}
