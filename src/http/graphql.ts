import { type DocumentNode, type ExecutionArgs, execute, type GraphQLSchema } from 'graphql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import { apiError } from '../../schema/api-error.js';
import { type Context, createContext } from '../../schema/context.js';
import type { Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import type { Quotas } from '../limits.js';
import type { Log } from '../log.js';
import type { Store } from '../store.js';
import type { Viewer } from '../viewer.js';
import { MAX_MISTAKES, type Openness, parseDocument, validateDocument } from './document.js';
import { createDocuments, type DocumentOptions, type Documents } from './documents.js';
import { maskError, useMasking } from './masking.js';
import { useLimits } from './operation.js';
import { bodyParams, queryParams } from './params.js';
import { recent } from './recent.js';

export interface GraphqlOptions extends DocumentOptions {
  schema: GraphQLSchema;
  engine: Engine;
  store: Store;
  quotas: Quotas;
  clock: Clock;
  log: Log;
  /** Whether clients may read the schema, and are helped with its names; true where not given. */
  introspection?: boolean;
}

/** What a transport knows of a request. */
export interface RequestFacts {
  requestId: string;
  viewer: Viewer;
  /** How long the request is, in characters: of one that stays open all of it is kept. */
  length?: number;
  /** Of a POST, as text. */
  body?: string;
  /** Of a request for server-sent events that resumes. */
  lastEventId?: string;
}

export type Graphql = YogaServerInstance<
  RequestFacts & Record<string, unknown>,
  Context & Record<string, unknown>
> &
  Pick<Documents, 'textOf'> & { bounds: Bounds };

/** What graphql-js is told with every execution. */
export type Bounds = Pick<ExecutionArgs, 'options' | 'hideSuggestions'>;

/** GraphQL as every transport runs it: parsing, checks, context, execution, masking. */
export function createGraphql({
  schema,
  engine,
  store,
  quotas,
  clock,
  log,
  introspection = true,
  ...trust
}: GraphqlOptions): Graphql {
  const { plugin: useDocuments, textOf } = createDocuments(trust);
  const bounds = { options: { maxCoercionErrors: MAX_MISTAKES }, hideSuggestions: !introspection };
  const yoga = createYoga<RequestFacts & Record<string, unknown>, Context & Record<string, unknown>>({
    schema,
    graphqlEndpoint: '/graphql',
    context: ({ viewer, requestId, lastEventId = null }) => ({
      ...createContext({ viewer, requestId, lastEventId, engine, store, quotas, now: () => clock.now() }),
    }),
    plugins: [
      useGraphqlJs({ introspection }, bounds),
      useParams(),
      useDocuments,
      useLimits(),
      useMasking(log),
    ],
    maskedErrors: { maskError: (error) => maskError(error, null, log) },
    parserAndValidationCache: {
      documentCache: recent<DocumentNode>(CACHED),
      errorCache: recent<Error>(CACHED),
    },
    // Masked errors are logged where the request is known; Yoga's own lines would be a second, poorer copy.
    logging: { debug() {}, info() {}, warn: (...facts) => log.warn({ facts }, 'yoga'), error() {} },
    // All routes share one set of CORS headers (cors.ts); Yoga would give foreign pages the origin "null".
    cors: false,
    graphiql: false,
    landingPage: false,
    // A path that no request has: health is told at /healthz.
    healthCheckEndpoint: '/graphql/health/unused',
    batching: false,
    multipart: false,
    maxRequestBodySize: false,
  });
  return Object.assign(yoga, { textOf, bounds });
}

const notStreamed = apiError(
  'BAD_USER_INPUT',
  'a subscription is answered over WebSocket, or with the header "Accept: text/event-stream"',
  { http: { spec: false, status: 406 } },
);

/** Documents are parsed once; those with large literals in them are not kept, since no two are the same. */
const CACHED = { entries: 256, chars: 16_384 };

/** graphql-js itself, behind our own guards. */
function useGraphqlJs(openness: Openness, bounds: Bounds): Plugin {
  const validated: typeof validateDocument = (schema, document, rules) =>
    validateDocument(schema, document, rules, openness);
  return {
    onParse: ({ setParseFn }) => setParseFn(parseDocument),
    onValidate: ({ setValidationFn }) => setValidationFn(validated as never),
    onExecute: ({ setExecuteFn }) =>
      setExecuteFn(((args) => execute({ ...args, ...bounds })) as typeof execute),
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
