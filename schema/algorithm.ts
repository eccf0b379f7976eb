import { builder } from './builder.js';
import { arrayConnection } from './connection.js';
import { described } from './enum.js';
import { AlgorithmRef } from './refs.js';

const AlgorithmKindEnum = builder.enumType('AlgorithmKind', {
  description: 'How an algorithm is run.',
  values: described<'MODULE'>({
    MODULE: "A JavaScript module of the algorithms folder, run in the server's worker threads.",
  }),
});

AlgorithmRef.implement({
  description: 'A named unit of work that nodes of pipelines run.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'The name that nodes call it by, 2 to 32 characters.' }),
    kind: t.expose('kind', { type: AlgorithmKindEnum, description: 'How it is run.' }),
    queue: t.exposeString('queue', { description: 'The queue its tasks wait in.' }),
  }),
});

builder.queryFields((t) => ({
  algorithm: t.field({
    type: AlgorithmRef,
    nullable: true,
    description: 'The algorithm of this name; null where there is none.',
    authScopes: { scope: 'READ' },
    args: { name: t.arg.string({ required: true, description: 'Its name, exactly.' }) },
    resolve: (_root, { name }, { engine }) => engine.algorithms().find((one) => one.name === name),
  }),
  algorithms: t.connection(
    {
      type: AlgorithmRef,
      description: 'The algorithms that can be run now, by name.',
      authScopes: { scope: 'READ' },
      resolve: (_root, args, { engine }) => arrayConnection(args, (one) => one.name, engine.algorithms()),
    },
    { name: 'AlgorithmConnection', description: 'A page of algorithms.' },
    { name: 'AlgorithmEdge', description: 'An algorithm and its place.' },
  ),
}));
