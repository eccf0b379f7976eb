import { createHash } from 'node:crypto';
import { type DocumentNode, GraphQLError, type GraphQLSchema, Kind } from 'graphql';
import { z } from 'zod';
import { messageOf, shown } from '../errors.js';
import { parseDocument, validateDocument } from './document.js';
import { operationProblem } from './operation.js';

/** Documents that an operator has let in, by their ids. */
export interface TrustedDocuments {
  /** The document of an id: one of the manifest's, or the SHA-256 of the document in hexadecimal digits, also as "sha256:<hash>". */
  textOf(id: string): string | undefined;
  /** A document that is trusted, parsed; undefined: it is not. */
  documentOf(text: string): DocumentNode | undefined;
}

/** Apollo's manifest, as its tools write it: what is more in it does not matter. */
const apollo = z.object({
  format: z.literal('apollo-persisted-query-manifest'),
  version: z.literal(1),
  operations: z.array(z.object({ id: z.string().min(1), name: z.string().optional(), body: z.string() })),
});
/** Relay, GraphQL Code Generator, gql.tada: from ids to documents. */
const plain = z.record(z.string().min(1), z.string());

/**
 * Reads a manifest. Throws an Error that says, a line each, what is wrong: every document must be valid in the schema
 * and within the limits, as far as they can be known without variables.
 */
export function readTrusted(manifest: string, schema: GraphQLSchema): TrustedDocuments {
  const texts = new Map<string, string>();
  const documents = new Map<string, DocumentNode>();
  const problems: string[] = [];
  for (const { id, name, body } of entriesOf(manifest)) {
    const label = name === undefined ? `document ${shown(id)}` : `document ${shown(id)} (${shown(name)})`;
    if (texts.has(id) && texts.get(id) !== body) problems.push(`${label} is there twice, and not the same`);
    try {
      documents.set(body, checked(body, schema));
    } catch (error) {
      problems.push(`${label}: ${messageOf(error)}`);
    }
    texts.set(id, body);
  }
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const hashes = new Map([...documents.keys()].map((text) => [sha256(text), text]));
  return {
    textOf: (id) => {
      const hash = id.startsWith('sha256:') ? id.slice('sha256:'.length) : id;
      return texts.get(id) ?? texts.get(hash) ?? hashes.get(hash);
    },
    documentOf: (text) => documents.get(text),
  };
}

/** Of the text as UTF-8, in hexadecimal digits. */
export function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function entriesOf(manifest: string): { id: string; name?: string | undefined; body: string }[] {
  let json: unknown;
  try {
    json = JSON.parse(manifest);
  } catch (error) {
    throw new Error(`it must be JSON: ${messageOf(error)}`);
  }
  const ofApollo = apollo.safeParse(json);
  if (ofApollo.success) return ofApollo.data.operations;
  const ofPlain = plain.safeParse(json);
  if (ofPlain.success) return Object.entries(ofPlain.data).map(([id, body]) => ({ id, body }));
  throw new Error(
    'it must be a persisted query manifest of Apollo (format "apollo-persisted-query-manifest", version 1, operations with id and body), or an object from ids to documents',
  );
}

function checked(text: string, schema: GraphQLSchema): DocumentNode {
  const document = parseDocument(text);
  const [mistake] = validateDocument(schema, document);
  if (mistake) throw mistake;
  const names = document.definitions.flatMap((definition) =>
    definition.kind === Kind.OPERATION_DEFINITION ? [definition.name?.value] : [],
  );
  if (names.length === 0) throw new GraphQLError('it must have an operation, got none');
  for (const name of names) {
    const problem = operationProblem(schema, document, name, {});
    if (problem) throw problem;
  }
  return document;
}
