import {
  type DocumentNode,
  type FragmentDefinitionNode,
  GraphQLError,
  Kind,
  type ParseOptions,
  parse,
  type SelectionNode,
  type SelectionSetNode,
  type Source,
  type ValidationRule,
  validate,
} from 'graphql';
import { MAX_ANSWER_OBJECTS, objectsAskedFor } from './cost.js';

/** Brackets within brackets. graphql-js parses by recursion: some 5,000 levels end the stack. */
export const MAX_DOCUMENT_NESTING = 200;
/** Names outside of arguments. Checking that fields of one name agree is quadratic in them. */
export const MAX_DOCUMENT_NAMES = 5_000;
/** Fields within fields, through fragments too. The deepest use we know of, introspection, has about 15. */
export const MAX_DOCUMENT_DEPTH = 30;

/** graphql-js's `parse`, guarded against documents that would cost out of proportion. */
export function parseDocument(source: string | Source, options?: ParseOptions): DocumentNode {
  const text = typeof source === 'string' ? source : source.body;
  const tooMuch = sizeProblem(text);
  if (tooMuch !== null) throw refused('LIMIT_REACHED', tooMuch);
  let document: DocumentNode;
  try {
    document = parse(source, { ...options, noLocation: false });
  } catch (error) {
    if (error instanceof GraphQLError) {
      Object.assign(error.extensions, { code: 'GRAPHQL_PARSE_FAILED', http: { spec: true, status: 400 } });
      throw error;
    }
    if (error instanceof RangeError) throw refused('LIMIT_REACHED', nestingProblem());
    throw error;
  }
  const depth = depthOf(document);
  if (depth > MAX_DOCUMENT_DEPTH) {
    throw refused(
      'LIMIT_REACHED',
      `fields must be nested at most ${MAX_DOCUMENT_DEPTH} levels deep, fragments counted in, got ${depth}: ask in several requests`,
    );
  }
  return document;
}

/** graphql-js's `validate`, and the bound on an answer. Should a document end the stack after all, that is its own fault. */
export const validateDocument: typeof validate = (
  schema,
  document,
  rules?: readonly ValidationRule[],
  ...rest
) => {
  try {
    const errors = validate(schema, document, rules, ...rest);
    if (errors.length > 0) return errors;
    const objects = objectsAskedFor(schema, document);
    if (objects <= MAX_ANSWER_OBJECTS) return [];
    const bound = `an answer must hold at most ${MAX_ANSWER_OBJECTS} objects, got a document that asks for up to ${objects}`;
    return [
      refused('LIMIT_REACHED', `${bound}: ask for smaller pages (first, last), or in several requests`),
    ];
  } catch (error) {
    if (error instanceof RangeError) return [refused('LIMIT_REACHED', nestingProblem())];
    throw error;
  }
};

function refused(code: string, message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code, http: { spec: true, status: 400 } } });
}

function nestingProblem(): string {
  return `brackets in a document must be nested at most ${MAX_DOCUMENT_NESTING} levels deep, got more: send deep values as variables`;
}

const NAME = /\w+/y;

/** Counts nesting and names in one pass over the text, without recursion. Null: within bounds. */
export function sizeProblem(text: string): string | null {
  let nesting = 0;
  let inArguments = 0;
  let names = 0;
  for (let at = 0; at < text.length; ) {
    const char = text[at]!;
    if (char === '"') {
      at = afterString(text, at);
      continue;
    }
    if (char === '#') {
      at = afterLine(text, at);
      continue;
    }
    NAME.lastIndex = at;
    const name = NAME.exec(text);
    if (name) {
      if (inArguments === 0) names++;
      at = NAME.lastIndex;
      continue;
    }
    if (char === '{' || char === '[' || char === '(') nesting++;
    else if (char === '}' || char === ']' || char === ')') nesting--;
    if (char === '(') inArguments++;
    else if (char === ')') inArguments = Math.max(0, inArguments - 1);
    at++;
    if (nesting > MAX_DOCUMENT_NESTING) return nestingProblem();
    if (names > MAX_DOCUMENT_NAMES) {
      return `a document must hold at most ${MAX_DOCUMENT_NAMES} names outside of arguments, got more: ask in several requests`;
    }
  }
  return null;
}

/** Where the text goes on behind a string or block string. One that does not end is left to the parser to refuse. */
function afterString(text: string, start: number): number {
  if (text.startsWith('"""', start)) {
    let end = text.indexOf('"""', start + 3);
    while (end > 0 && text[end - 1] === '\\') end = text.indexOf('"""', end + 3);
    return end < 0 ? text.length : end + 3;
  }
  let at = start + 1;
  while (at < text.length && text[at] !== '"' && text[at] !== '\n' && text[at] !== '\r') {
    at += text[at] === '\\' ? 2 : 1;
  }
  return at + 1;
}

function afterLine(text: string, start: number): number {
  let at = start;
  while (at < text.length && text[at] !== '\n' && text[at] !== '\r') at++;
  return at;
}

/** The deepest field of any operation. Each fragment is measured once; cycles are left to validation. */
export function depthOf(document: DocumentNode): number {
  const fragments = new Map<string, FragmentDefinitionNode>();
  for (const definition of document.definitions) {
    if (definition.kind === Kind.FRAGMENT_DEFINITION) fragments.set(definition.name.value, definition);
  }
  const measured = new Map<string, number>();
  const ofFragment = (name: string): number => {
    const known = measured.get(name);
    if (known !== undefined) return known;
    // Stands for the fragment while it is measured, so that a cycle ends.
    measured.set(name, 0);
    const fragment = fragments.get(name);
    const depth = fragment ? ofSet(fragment.selectionSet) : 0;
    measured.set(name, depth);
    return depth;
  };
  const ofSelection = (selection: SelectionNode): number => {
    if (selection.kind === Kind.FRAGMENT_SPREAD) return ofFragment(selection.name.value);
    if (selection.kind === Kind.INLINE_FRAGMENT) return ofSet(selection.selectionSet);
    return 1 + (selection.selectionSet ? ofSet(selection.selectionSet) : 0);
  };
  const ofSet = ({ selections }: SelectionSetNode): number =>
    selections.reduce((deepest, selection) => Math.max(deepest, ofSelection(selection)), 0);
  return document.definitions.reduce(
    (deepest, definition) =>
      definition.kind === Kind.OPERATION_DEFINITION
        ? Math.max(deepest, ofSet(definition.selectionSet))
        : deepest,
    0,
  );
}
