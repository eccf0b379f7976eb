import { createHash } from 'node:crypto';
import {
  type DocumentNode,
  type ExecutionArgs,
  type FieldNode,
  type GraphQLSchema,
  getNamedType,
  getOperationAST,
  isObjectType,
  Kind,
  type OperationDefinitionNode,
  print,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql';
import type { Viewer } from '../viewer.js';

/** What an operation's document says about who may share its executions. */
export interface DocumentFacts {
  /** Equal for documents that differ in spaces and comments only. */
  hash: string;
  /** The variables its operation declares. */
  variables: string[];
  /** The one that only says where to begin, as `after` of the root field: it changes no answer. */
  afterVariable: string | null;
  /** Whether it looks at things as they are now, beside what the event itself says. */
  moving: boolean;
  /** Whether some field of it depends on the key that asks: such a field has `extensions: { perViewer: true }`. */
  perViewer: boolean;
}

const known = new WeakMap<OperationDefinitionNode, DocumentFacts>();

/** Looks once at each parsed operation. */
export function documentFacts({ schema, document, operationName }: ExecutionArgs): DocumentFacts {
  const operation = getOperationAST(document, operationName)!;
  const facts = known.get(operation) ?? look(schema, document, operation);
  known.set(operation, facts);
  return facts;
}

function look(
  schema: GraphQLSchema,
  document: DocumentNode,
  operation: OperationDefinitionNode,
): DocumentFacts {
  const types = new TypeInfo(schema);
  let moving = false;
  let perViewer = false;
  visit(
    document,
    visitWithTypeInfo(types, {
      Field() {
        const type = getNamedType(types.getType());
        // What can be fetched again by its id has a state of its own; the rest is part of the event.
        if (isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node')) moving = true;
        if (types.getFieldDef()?.extensions['perViewer'] === true) perViewer = true;
      },
    }),
  );
  return {
    hash: digest(`${operation.name?.value ?? ''} ${print(document)}`),
    variables: (operation.variableDefinitions ?? []).map(({ variable }) => variable.name.value),
    afterVariable: afterVariable(document, operation),
    moving,
    perViewer,
  };
}

/** The variable given as `after` to a root field, if nothing else of the document uses it. */
function afterVariable(document: DocumentNode, operation: OperationDefinitionNode): string | null {
  const root = operation.selectionSet.selections.find((one): one is FieldNode => one.kind === Kind.FIELD);
  const value = root?.arguments?.find(({ name }) => name.value === 'after')?.value;
  if (value?.kind !== Kind.VARIABLE) return null;
  let uses = 0;
  visit(document, {
    Variable({ name }) {
      if (name.value === value.name.value) uses++;
    },
  });
  // One is its declaration, one the argument.
  return uses === 2 ? value.name.value : null;
}

/** Subscribers with one key are told the same bytes at each event. */
export function groupKey(
  topic: string,
  facts: DocumentFacts,
  variables: Readonly<Record<string, unknown>>,
  { account, scopes, apiKey }: Viewer,
): string {
  const counted = facts.variables.filter((name) => name !== facts.afterVariable).sort();
  const values = counted.map((name) => (Object.hasOwn(variables, name) ? [name, variables[name]] : [name]));
  const parts = [topic, facts.hash, sorted(values), account.id, [...scopes].sort()];
  if (facts.perViewer) parts.push(apiKey?.id ?? null);
  return digest(JSON.stringify(parts));
}

/** The same value with the fields of all its objects in one order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  // Not a list itself: a list of the same pairs is another value.
  return { entries: entries.map(([name, inner]) => [name, sorted(inner)]) };
}

/** Who a shared execution runs for: any of its subscribers. What belongs to one of them must not be asked for. */
export function anyViewer({ account, scopes }: Viewer): Viewer {
  return {
    account,
    scopes,
    get apiKey(): never {
      throw new Error('a shared execution has no key: mark the field with extensions { perViewer: true }');
    },
  };
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url');
}
