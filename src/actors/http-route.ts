// A way into the program over HTTP, free of any server: the HTTP server mounts a list of these, tests call them directly.

export interface HttpRequest {
  /** By the names in the path's braces, percent-decoded. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The parsed JSON body; undefined when there was none. */
  readonly body: unknown;
}

/** An answer that is not plain JSON with status 200. */
export interface HttpReply {
  readonly status: number;
  readonly contentType?: string;
  /** Text as it is; anything else as JSON. */
  readonly body: unknown;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** e.g. `/api/v1/hosts/{id}`. */
  readonly path: string;
  /** Throws a VedetteError, or answers with what is sent as JSON (status 200), or with a `reply`. */
  readonly handle: (request: HttpRequest) => unknown;
}

const REPLY: unique symbol = Symbol('reply');
type MarkedReply = HttpReply & { readonly [REPLY]: true };

export function reply(answer: HttpReply): HttpReply {
  const marked: MarkedReply = { ...answer, [REPLY]: true };
  return marked;
}

export function isReply(value: unknown): value is HttpReply {
  return typeof value === 'object' && value !== null && REPLY in value;
}
