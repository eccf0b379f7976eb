import { parse } from 'graphql';
import { expect, test } from 'vitest';
import { createSchema } from '../../schema/schema.js';
import { MAX_ANSWER_OBJECTS, objectsAskedFor } from '../../src/http/cost.js';
import { validateDocument } from '../../src/http/document.js';

const schema = createSchema();
const asked = (document: string) => objectsAskedFor(schema, parse(document));

test.each([
  ['{ viewer { scopes } }', 1],
  ['{ jobs(first: 10) { nodes { id } } }', 20],
  ['{ jobs { nodes { id } } }', 100],
  ['query ($n: Int) { jobs(first: $n) { nodes { id } } }', 200],
  ['{ jobs(first: 10) { edges { node { id } } } }', 30],
  ['{ jobs(first: 10) { nodes { tasks(first: 5) { nodes { id } } } } }', 10 * (1 + 1 + 5 * 2)],
  [
    '{ ...F } fragment F on Query { jobs(first: 10) { nodes { ...G } } } fragment G on Job { tasks(first: 5) { nodes { id } } }',
    120,
  ],
  ['{ nodes(ids: ["a", "b"]) { ... on Job { tasks(first: 5) { nodes { id } } } } }', 2 * (1 + 5 * 2)],
])('%s asks for %i objects', (document, objects) => {
  expect(asked(document)).toBe(objects);
});

test('pages within pages are refused before anything is read, with the bound and what was asked for', () => {
  const nested = (levels: number): string =>
    levels === 0 ? 'type' : `job { events(first: 100) { nodes { ${nested(levels - 1)} } } }`;
  const document = `{ events(first: 100) { nodes { ${nested(2)} } } }`;
  const errors = validateDocument(schema, parse(document));
  expect(errors).toHaveLength(1);
  expect(errors[0]!.extensions['code']).toBe('LIMIT_REACHED');
  expect(errors[0]!.message).toMatch(
    new RegExp(`at most ${MAX_ANSWER_OBJECTS} objects, got a document that asks for up to \\d+`),
  );
  expect(
    validateDocument(schema, parse('{ jobs(first: 100) { nodes { tasks(first: 50) { nodes { id } } } } }')),
  ).toEqual([]);
});
