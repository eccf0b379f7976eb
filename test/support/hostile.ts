/** Operations that cost far more than they should where nothing bounds them; `variables` is JSON text. */
export interface Hostile {
  name: string;
  query: string;
  variables?: string;
  /** Part of the one error it is answered with. */
  says: string;
}

const many = (count: number, one: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => one(index)).join(' ');
const list = (length: number, item = '"x"') => `[${Array(length).fill(item).join(',')}]`;
const nested = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`;

const SUBMIT =
  'mutation ($input: SubmitPipelineInput!) { submitPipeline(input: $input) { job { id } userErrors { message } } }';

export const hostile: readonly Hostile[] = [
  {
    name: '2,000 aliases',
    query: `{ ${many(2_000, (index) => `a${index}: jobs { nodes { id } }`)} }`,
    says: 'at most 5000 tokens',
  },
  {
    name: '400 small aliases',
    query: `{ viewer { ${many(400, (index) => `a${index}: scopes`)} } }`,
    says: 'at most 100 fields that their selection already has',
  },
  {
    name: '50 root fields',
    query: `{ ${many(50, (index) => `a${index}: viewer { scopes }`)} }`,
    says: 'at most 20 fields at its root',
  },
  {
    name: 'fragments nested 1,000 deep',
    query: `{ ...F0 } ${many(1_000, (index) => `fragment F${index} on Query { ...F${index + 1} }`)} fragment F1000 on Query { __typename }`,
    says: 'at most 5000 tokens',
  },
  {
    name: 'fragments nested 90 deep',
    query: `{ job(id: "x") { ...F0 } } ${many(90, (index) => `fragment F${index} on Job { tasks { nodes { job { ...F${index + 1} } } } }`)} fragment F90 on Job { id }`,
    says: 'at most 30 levels deep',
  },
  {
    name: 'a circle of fragments',
    query: `{ ...F0 } ${many(80, (index) => `fragment F${index} on Query { ${many(8, (step) => `...F${(index + step) % 80}`)} }`)}`,
    says: 'must not contain itself',
  },
  {
    name: 'fragments that fan out',
    query: `{ job(id: "x") { ...F0 } } ${many(7, (index) => `fragment F${index} on Job { ${many(8, (step) => `a${step}: tasks { nodes { job { ...F${index + 1} } } }`)} }`)} fragment F7 on Job { id }`,
    says: 'at most 50000 objects',
  },
  {
    name: '1 MB of directives',
    query: `{ viewer ${many(60_000, () => '@skip(if: true)')} { scopes } }`,
    says: 'at most 5000 tokens',
  },
  {
    name: '500 directives',
    query: `{ viewer ${many(500, () => '@nothing')} { scopes } }`,
    says: 'at most 50 directives',
  },
  {
    name: '1 MB of comments',
    query: `${'#\n'.repeat(500_000)}{ viewer { scopes } }`,
    says: 'at most 5000 tokens',
  },
  {
    name: '100,000 ids in the document',
    query: `{ nodes(ids: ${list(100_000)}) { id } }`,
    says: 'at most 5000 tokens',
  },
  {
    name: '1,000 ids in the document',
    query: `{ nodes(ids: ${list(1_000)}) { id } }`,
    says: 'at most 100 ids, got 1000',
  },
  {
    name: '100,000 ids in a variable',
    query: 'query ($ids: [ID!]!) { nodes(ids: $ids) { id } }',
    variables: `{"ids":${list(100_000)}}`,
    says: 'at most 1000 items, got 100000 in $ids',
  },
  {
    name: '100,000 nodes in an input',
    query: SUBMIT,
    variables: `{"input":{"name":"p","nodes":${list(100_000, '{"nodeName":"n"}')}}}`,
    says: 'at most 1000 items, got 100000 in $input.nodes',
  },
  {
    name: '10,000 variables',
    query: 'query ($id: ID!) { job(id: $id) { id } }',
    variables: `{${Array.from({ length: 10_000 }, (_, index) => `"v${index}":1`).join(',')}}`,
    says: 'at most 100 variables, got 10000',
  },
  {
    name: 'a field with a name of 2 MB',
    query: `{ ${'n'.repeat(2_000_000)} }`,
    says: 'at most 200 characters, got 2000000',
  },
  {
    name: 'a string of 2 MB where a number belongs',
    query: `{ jobs(first: "${'n'.repeat(2_000_000)}") { nodes { id } } }`,
    says: 'Int cannot represent non-integer value',
  },
  {
    name: 'a variable of 2 MB where a number belongs',
    query: 'query ($n: Int) { jobs(first: $n) { nodes { id } } }',
    variables: `{"n":"${'n'.repeat(2_000_000)}"}`,
    says: 'Int cannot represent non-integer value',
  },
  {
    name: 'fields that overlap',
    query: `{ viewer { ${many(2_400, (index) => `a: f${index}`)} } }`,
    says: 'at most 5000 tokens',
  },
  {
    name: 'fields that are the same',
    query: `{ ${many(1_600, () => 'viewer { scopes }')} }`,
    says: 'at most 5000 tokens',
  },
  {
    name: 'fields that are the same, within inline fragments',
    query: `{ viewer { ${many(1_000, () => '... { scopes }')} } }`,
    says: 'at most 100',
  },
  {
    name: 'lists nested 100,000 deep',
    query: `{ nodes(ids: ${nested(100_000)}) { id } }`,
    says: 'at most 200 levels deep',
  },
  { name: 'fields nested 100,000 deep', query: 'a{'.repeat(100_000), says: 'at most 200 levels deep' },
  {
    name: 'a variable nested 100,000 deep',
    query: 'query ($id: ID!) { job(id: $id) { id } }',
    variables: `{"id":${nested(100_000)}}`,
    says: 'ID cannot represent value',
  },
  {
    name: 'JSON nested 100,000 deep in a variable',
    query: 'mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { userErrors { message } } }',
    variables: `{"d":${nested(100_000)}}`,
    says: 'at most 128 levels deep',
  },
  {
    name: 'a variable of 100 kB, a thousand times in one literal',
    query: `mutation ($v: JSON!) { submitDescriptor(input: { descriptor: { name: "x", nodes: [${many(1_000, () => '$v')}] } }) { userErrors { message } } }`,
    variables: `{"v":${JSON.stringify('x'.repeat(100_000))}}`,
    says: 'at most 50000 objects',
  },
  {
    name: 'an input of 1 MB, submitted twenty times',
    query: `mutation ($d: JSON!) { ${many(20, (index) => `a${index}: submitDescriptor(input: { descriptor: $d }) { userErrors { message } }`)} }`,
    variables: `{"d":${list(500_000, '1')}}`,
    says: 'at most 50000 objects',
  },
  {
    name: 'a long filter for each of a hundred jobs',
    query:
      'query ($f: TaskFilter) { jobs(first: 100) { nodes { tasks(filter: $f, first: 1) { nodes { id } } } } }',
    variables: `{"f":{"nodeNames":${list(1_000, `"${'n'.repeat(200)}"`)}}}`,
    says: 'at most 50000 objects',
  },
  {
    name: 'pages of nothing, sixty for each of two thousand jobs',
    query: `{ ${many(20, (index) => `r${index}: jobs(first: 100) { nodes { ...F } }`)} } fragment F on Job { ${many(60, (index) => `a${index}: tasks(first: 0) { nodes { id } }`)} }`,
    says: 'at most 50000 objects',
  },
  {
    name: 'one scalar sixty times, for two thousand jobs',
    query: `{ ${many(20, (index) => `r${index}: jobs(first: 100) { nodes { ...F } }`)} } fragment F on Job { ${many(60, (index) => `a${index}: descriptor`)} }`,
    says: 'at most 50000 objects',
  },
  {
    name: 'the types of introspection, a hundred times',
    query: `{ __schema { ${many(100, (index) => `a${index}: types { fields { args { type { name } } } }`)} } }`,
    says: 'at most 50000 objects',
  },
];
