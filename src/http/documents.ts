import type { GraphQLError } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import { apiError } from '../../schema/api-error.js';
import { shown } from '../errors.js';
import { requestError } from './limits.js';
import { recent } from './recent.js';
import { sha256, type TrustedDocuments } from './trusted.js';

/** Where an operation's document comes from: the parameters of a request, on any transport. */
export interface DocumentParams {
  query?: unknown;
  /** GraphQL over HTTP, appendix A. */
  documentId?: unknown;
  /** `persistedQuery: { version: 1, sha256Hash }` is Apollo's protocol. */
  extensions?: unknown;
}

export interface Documents {
  /** The document that is meant; undefined: none was named. Throws a GraphQLError for what cannot be had. */
  textOf(params: DocumentParams): unknown;
  /** For Yoga: fills `query` in, and refuses what is not trusted where only trusted documents run. */
  plugin: Plugin;
}

export interface DocumentOptions {
  trusted?: TrustedDocuments | undefined;
  /** Whether documents that are not trusted are refused. */
  trustedOnly?: boolean | undefined;
}

/** Documents that clients have sent with their hash: 500 of 16 Ki characters. What is dropped is sent again. */
const REMEMBERED = { entries: 500, chars: 16_384 };

export function createDocuments({ trusted, trustedOnly = false }: DocumentOptions): Documents {
  const remembered = recent<string>(REMEMBERED);

  const byId = (id: unknown, query: unknown): string => {
    if (typeof id !== 'string') {
      throw requestError('BAD_USER_INPUT', `documentId must be a string, got ${shown(id)}`);
    }
    if (isText(query)) {
      throw requestError('BAD_USER_INPUT', `give documentId or query, not both: got documentId ${shown(id)}`);
    }
    const text = trusted?.textOf(id);
    if (text !== undefined) return text;
    throw requestError(
      'PERSISTED_DOCUMENT_NOT_FOUND',
      `documentId must be of a document that this server trusts, got ${shown(id)}: ask its operator to add it, or send the document as query`,
    );
  };

  /** Apollo's words and statuses: its clients go by them. */
  const byHash = ({ version, sha256Hash: given }: PersistedQuery, query: unknown): string => {
    if (version !== 1 || typeof given !== 'string') {
      throw requestError(
        'BAD_USER_INPUT',
        `extensions.persistedQuery must be {version: 1, sha256Hash: "…"}, got version ${shown(version)} and sha256Hash ${shown(given)}`,
      );
    }
    const known = trusted?.textOf(given);
    if (known !== undefined && (!isText(query) || query === known)) return known;
    if (isText(query)) {
      const hash = sha256(query);
      if (hash !== given.toLowerCase()) {
        throw requestError(
          'BAD_USER_INPUT',
          `provided sha does not match query: sha256Hash must be ${hash}, got ${shown(given)}`,
        );
      }
      if (!trustedOnly) remembered.set(hash, query);
      return query;
    }
    if (trustedOnly) throw ofApollo('PERSISTED_QUERY_NOT_SUPPORTED', 'PersistedQueryNotSupported');
    const text = remembered.get(given.toLowerCase());
    if (text === undefined) throw ofApollo('PERSISTED_QUERY_NOT_FOUND', 'PersistedQueryNotFound');
    return text;
  };

  const textOf = ({ query, documentId, extensions }: DocumentParams): unknown => {
    if (documentId !== undefined && documentId !== null) return byId(documentId, query);
    const persisted = persistedOf(extensions);
    return persisted ? byHash(persisted, query) : query;
  };

  return {
    textOf,
    plugin: {
      onParams({ params, setParams }) {
        if (typeof params !== 'object' || params === null) return;
        const { documentId, ...others } = params as typeof params & DocumentParams;
        const query = textOf(params);
        setParams({ ...others, ...(query !== undefined && { query: query as string }) });
      },
      onParse({ params, setParsedDocument }) {
        const document = trusted?.documentOf(String(params.source));
        if (document) setParsedDocument(document);
        else if (trustedOnly) {
          throw requestError(
            'TRUSTED_DOCUMENTS_ONLY',
            'this server runs trusted documents only: send the documentId of one, or ask its operator to add this document',
          );
        }
      },
    },
  };
}

interface PersistedQuery {
  version?: unknown;
  sha256Hash?: unknown;
}

function persistedOf(extensions: unknown): PersistedQuery | null {
  if (typeof extensions !== 'object' || extensions === null) return null;
  const { persistedQuery } = extensions as { persistedQuery?: unknown };
  return typeof persistedQuery === 'object' ? persistedQuery : null;
}

/** graphql-ws demands a query, so over WebSocket an empty one stands for none. */
function isText(query: unknown): query is string {
  return typeof query === 'string' && query !== '';
}

/** Status 200, and nothing between the client and us may keep the answer: the next one will be another. */
function ofApollo(
  code: 'PERSISTED_QUERY_NOT_FOUND' | 'PERSISTED_QUERY_NOT_SUPPORTED',
  message: string,
): GraphQLError {
  const headers = { 'cache-control': 'private, no-cache, must-revalidate' };
  return apiError(code, message, { http: { status: 200, headers } });
}
