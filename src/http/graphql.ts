import { type DocumentNode, execute, GraphQLError, type GraphQLSchema, subscribe } from 'graphql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import { type Context, createContext, type Viewer } from '../../schema/context.js';
import type { Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import { messageOf } from '../errors.js';
import type { Quotas } from '../limits.js';
import type { Log } from '../log.js';
import type { Store } from '../store.js';
import { parseDocument, validateDocument } from './document.js';
import { maskError, useMasking } from './masking.js';

export interface GraphqlOptions {
  schema: GraphQLSchema;
  engine: Engine;
  store: Store;
  quotas: Quotas;
  clock: Clock;
  log: Log;
  allowedOrigins: readonly string[];
}

/** What a transport knows of a request. */
export interface RequestFacts {
  requestId: string;
  viewer: Viewer;
  /** Of a POST, as text. */
  body?: string;
}

export type Graphql = YogaServerInstance<
  RequestFacts & Record<string, unknown>,
  Context & Record<string, unknown>
>;

/** GraphQL as every transport runs it: parsing, checks, context, execution, masking. */
export function createGraphql({
  schema,
  engine,
  store,
  quotas,
  clock,
  log,
  allowedOrigins,
}: GraphqlOptions): Graphql {
  return createYoga<RequestFacts & Record<string, unknown>, Context & Record<string, unknown>>({
    schema,
    graphqlEndpoint: '/graphql',
    context: ({ viewer, requestId }) => ({
      ...createContext({ viewer, requestId, engine, store, quotas, now: () => clock.now() }),
    }),
    plugins: [useGraphqlJs(), useParams(), useMasking(log)],
    maskedErrors: { maskError: (error) => maskError(error, null, log) },
    parserAndValidationCache: { documentCache: recent<DocumentNode>(), errorCache: recent<Error>() },
    // Node's own streams: cancelling a reader of Yoga's is only heard at the next ping, 12 s later.
    fetchAPI: { Response, ReadableStream },
    // Masked errors are logged where the request is known; Yoga's own lines would be a second, poorer copy.
    logging: { debug() {}, info() {}, warn: (...facts) => log.warn({ facts }, 'yoga'), error() {} },
    cors: allowedOrigins.length > 0 && {
      origin: [...allowedOrigins],
      credentials: false,
      methods: ['GET', 'POST', 'OPTIONS'],
      allowedHeaders: ['authorization', 'content-type', 'last-event-id', 'x-request-id'],
      exposedHeaders: ['retry-after', 'x-request-id'],
      maxAge: 600,
    },
    graphiql: false,
    landingPage: false,
    // A path that no request has: health is told at /healthz.
    healthCheckEndpoint: '/graphql/health/unused',
    batching: false,
    multipart: false,
    maxRequestBodySize: false,
  });
}

/** graphql-js itself: its iterators are pulled one event at a time, and `return` reaches the source at once. */
function useGraphqlJs(): Plugin {
  return {
    onParse: ({ setParseFn }) => setParseFn(parseDocument),
    onValidate: ({ setValidationFn }) => setValidationFn(validateDocument as never),
    onExecute: ({ setExecuteFn }) => setExecuteFn(execute as never),
    onSubscribe: ({ setSubscribeFn }) => setSubscribeFn(subscribe as never),
  };
}

/** The request's parameters: of a POST from the body that the server has read within its limit, of a GET from the URL. */
function useParams(): Plugin<object, RequestFacts & Record<string, unknown>> {
  return {
    onRequestParse({ request, url, serverContext, setRequestParser }) {
      if (request.method === 'POST') {
        setRequestParser(() => parsedAs('the body', serverContext.body ?? '') as never);
      } else if (request.method === 'GET') {
        const given = (name: string) => url.searchParams.get(name) || undefined;
        const json = (name: string) => {
          const text = given(name);
          return text === undefined ? undefined : parsedAs(`the parameter ${name}`, text);
        };
        setRequestParser(
          () =>
            ({
              query: given('query'),
              operationName: given('operationName'),
              variables: json('variables'),
              extensions: json('extensions'),
            }) as never,
        );
      }
    },
  };
}

function parsedAs(what: string, text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badRequest(`${what} must be JSON: ${messageOf(error).slice(0, 200)}`);
  }
  if (typeof value !== 'object' || value === null) {
    throw badRequest(`${what} must be a JSON object, got ${value === null ? 'null' : typeof value}`);
  }
  return value;
}

function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT', http: { status: 400 } } });
}

const CACHED_DOCUMENTS = 256;
const CACHED_DOCUMENT_CHARS = 16_384;

/** Documents are parsed once; those with large literals in them are not kept, since no two are the same. */
function recent<V>() {
  const entries = new Map<string, V>();
  return {
    get(text: string): V | undefined {
      const value = entries.get(text);
      if (value !== undefined) {
        entries.delete(text);
        entries.set(text, value);
      }
      return value;
    },
    set(text: string, value: V): void {
      if (text.length > CACHED_DOCUMENT_CHARS) return;
      entries.set(text, value);
      if (entries.size > CACHED_DOCUMENTS) entries.delete(entries.keys().next().value!);
    },
  };
}
