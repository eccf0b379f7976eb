import { parse, validate } from 'graphql';
import { expect, test } from 'vitest';
import { createSchema } from '../../schema/schema.js';
import { graphiqlDocuments, graphiqlPage } from '../../src/http/graphiql.js';

test.each(graphiqlDocuments.map((document) => [document.split('\n')[0]!, document]))(
  'the tab "%s" is a valid document',
  (_title, document) => {
    expect(validate(createSchema(), parse(document))).toEqual([]);
    expect(String(graphiqlPage())).toContain('Carillon');
  },
);

test('the page is the same bytes for everybody: text would be copied for each client that is slow to read', () => {
  expect(graphiqlPage()).toBeInstanceOf(Buffer);
  expect(graphiqlPage()).toBe(graphiqlPage());
});
