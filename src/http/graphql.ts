import { type DocumentNode, execute, GraphQLError, type GraphQLSchema, subscribe } from 'graphql';
import { createYoga, type Plugin, type YogaServerInstance } from 'graphql-yoga';
import { type Context, createContext, type Viewer } from '../../schema/context.js';
import type { Clock } from '../clock.js';
import type { Engine } from '../engine/engine.js';
import { messageOf } from '../errors.js';
import type { Log } from '../log.js';
import type { Store } from '../store.js';
import { MAX_MISTAKES, type Openness, parseDocument, validateDocument } from './document.js';
import { createDocuments, type DocumentOptions, type Documents } from './documents.js';
import { maskError, useMasking } from './masking.js';
import { useLimits } from './operation.js';
import { recent } from './recent.js';

export interface GraphqlOptions extends DocumentOptions {
  schema: GraphQLSchema;
  engine: Engine;
  store: Store;
  clock: Clock;
  log: Log;
  allowedOrigins: readonly string[];
  /** Whether clients may read the schema, and are helped with its names; true where not given. */
  introspection?: boolean;
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
> &
  Pick<Documents, 'textOf'>;

/** GraphQL as every transport runs it: parsing, checks, context, execution, masking. */
export function createGraphql({
  schema,
  engine,
  store,
  clock,
  log,
  allowedOrigins,
  introspection = true,
  ...trust
}: GraphqlOptions): Graphql {
  const { plugin: useDocuments, textOf } = createDocuments(trust);
  const yoga = createYoga<RequestFacts & Record<string, unknown>, Context & Record<string, unknown>>({
    schema,
    graphqlEndpoint: '/graphql',
    context: ({ viewer, requestId }) => ({
      ...createContext({ viewer, requestId, engine, store, now: () => clock.now() }),
    }),
    plugins: [useGraphqlJs({ introspection }), useParams(), useDocuments, useLimits(), useMasking(log)],
    maskedErrors: { maskError: (error) => maskError(error, null, log) },
    parserAndValidationCache: {
      documentCache: recent<DocumentNode>(CACHED),
      errorCache: recent<Error>(CACHED),
    },
    // Node's own streams: cancelling a reader of Yoga's is only heard at the next ping, 12 s later.
    fetchAPI: { Response, ReadableStream },
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
  return Object.assign(yoga, { textOf });
}

/** Documents are parsed once; those with large literals in them are not kept, since no two are the same. */
const CACHED = { entries: 256, chars: 16_384 };

/** graphql-js itself: its iterators are pulled one event at a time, and `return` reaches the source at once. */
function useGraphqlJs(openness: Openness): Plugin {
  const validated: typeof validateDocument = (schema, document, rules) =>
    validateDocument(schema, document, rules, openness);
  const bounds = { options: { maxCoercionErrors: MAX_MISTAKES }, hideSuggestions: !openness.introspection };
  return {
    onParse: ({ setParseFn }) => setParseFn(parseDocument),
    onValidate: ({ setValidationFn }) => setValidationFn(validated as never),
    onExecute: ({ setExecuteFn }) =>
      setExecuteFn(((args) => execute({ ...args, ...bounds })) as typeof execute),
    onSubscribe: ({ setSubscribeFn }) =>
      setSubscribeFn(((args) => subscribe({ ...args, ...bounds })) as typeof subscribe as never),
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
              documentId: given('documentId'),
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
