import type { Scope } from './account.js';
import type { Problem } from './errors.js';
import type { Viewer } from './viewer.js';

/**
 * The HTTP API of an existing system, beside GraphQL. A dialect says what it serves and how it words a failure; who may
 * ask, how much and how large is the server's, the same for all of them.
 */
export interface Dialect {
  /** Every path below it is the dialect's: "/api/v1". */
  prefix: string;
  routes: readonly Route[];
  /** Its own sentences for what the server refuses by itself, by HTTP status; ours where it has none. */
  words: Readonly<Record<number, string>>;
  /** The HTTP status of an expected failure. */
  statusOf(problem: Problem): number;
  /** The body of every refusal, in its own shape. */
  refusal(status: number, message: string): object;
}

export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Below the prefix: "/exec/status/:jobId?". ":x" takes one segment, ":x?" may be left out. */
  path: string;
  scope: Scope;
  /** Expected failures are thrown, as Refused or as ProblemError. */
  run(call: Call): Promise<Reply>;
}

/** A request that may come in. */
export interface Call {
  viewer: Viewer;
  accountId: string;
  /** What the path names, decoded; undefined where it was left out. */
  params: Readonly<Record<string, string | undefined>>;
  query: URLSearchParams;
  /** The JSON that was sent; `{}` where nothing was. */
  body: unknown;
}

/** `json` is written as it is; `text` is JSON that is made, and sent, piece by piece. */
export type Reply = { status?: number; headers?: Record<string, string> } & (
  | { json: unknown }
  | { text: AsyncIterable<string> }
  | { empty: true }
);

/** A refusal in the dialect's own words. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
    this.name = 'Refused';
  }
}

/** "GET /api/v1/exec/status/:jobId?": whoever has to know every door asks here. */
export function dialectRoutes({ prefix, routes }: Pick<Dialect, 'prefix' | 'routes'>): string[] {
  return routes.map(({ method, path }) => `${method} ${prefix}${path}`);
}
