import { type DocumentNode, execute, type GraphQLSchema } from 'graphql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import { apiError } from '../../schema/api-error.js';
import { type Context, createContext, type Viewer } from '../../schema/context.js';
import type { Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import type { Log } from '../log.js';
import type { Store } from '../store.js';
import { parseDocument, validateDocument } from './document.js';
import { maskError, useMasking } from './masking.js';
import { bodyParams, queryParams } from './params.js';

export interface GraphqlOptions {
  schema: GraphQLSchema;
  engine: Engine;
  store: Store;
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
  /** Of a request for server-sent events that resumes. */
  lastEventId?: string;
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
  clock,
  log,
  allowedOrigins,
}: GraphqlOptions): Graphql {
  return createYoga<RequestFacts & Record<string, unknown>, Context & Record<string, unknown>>({
    schema,
    graphqlEndpoint: '/graphql',
    context: ({ viewer, requestId, lastEventId = null }) => ({
      ...createContext({ viewer, requestId, lastEventId, engine, store, now: () => clock.now() }),
    }),
    plugins: [useGraphqlJs(), useParams(), useMasking(log)],
    maskedErrors: { maskError: (error) => maskError(error, null, log) },
    parserAndValidationCache: { documentCache: recent<DocumentNode>(), errorCache: recent<Error>() },
    // Masked errors are logged where the request is known; Yoga's own lines would be a second, poorer copy.
    logging: { debug() {}, info() {}, warn: (...facts) => log.warn({ facts }, 'yoga'), error() {} },
    cors: allowedOrigins.length > 0 && {
      origin: [...allowedOrigins],
      credentials: false,
      methods: ['GET', 'POST', 'OPTIONS'],
      allowedHeaders: ['authorization', 'content-type', 'last-event-id', 'x-request-id'],
      exposedHeaders: ['x-request-id'],
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

const notStreamed = apiError(
  'BAD_USER_INPUT',
  'a subscription is answered over WebSocket, or with the header "Accept: text/event-stream"',
  { http: { spec: false, status: 406 } },
);

/** graphql-js itself, behind our own guards. */
function useGraphqlJs(): Plugin {
  return {
    onParse: ({ setParseFn }) => setParseFn(parseDocument),
    onValidate: ({ setValidationFn }) => setValidationFn(validateDocument as never),
    onExecute: ({ setExecuteFn }) => setExecuteFn(execute as never),
    // The hub feeds subscriptions; over plain HTTP there is no way to send what comes later.
    onSubscribe: ({ setResultAndStopExecution }) => setResultAndStopExecution({ errors: [notStreamed] }),
  };
}

/** The request's parameters: of a POST from the body that the server has read within its limit, of a GET from the URL. */
function useParams(): Plugin<object, RequestFacts & Record<string, unknown>> {
  return {
    onRequestParse({ request, url, serverContext, setRequestParser }) {
      if (request.method === 'POST') {
        setRequestParser(() => bodyParams(serverContext.body ?? '') as never);
      } else if (request.method === 'GET') {
        setRequestParser(() => queryParams(url.searchParams) as never);
      }
    },
  };
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
