import { describe, expect, it } from 'vitest';
import { parseDescriptor } from '../src/descriptor.js';
import { graphOf } from '../src/graph.js';

const node = (nodeName: string, input: unknown[] = []) => ({ nodeName, algorithmName: 'alg', input });
const output = (nodeName: string, input: unknown[] = []) => ({ nodeName, kind: 'output', input });

function check(nodes: object[]) {
  const parsed = parseDescriptor({ name: 'p', nodes });
  if ('problems' in parsed) return { nodes: [], problems: parsed.problems };
  const { graph, problems } = graphOf(parsed.descriptor);
  return { nodes: graph.nodes, problems };
}

describe('the graph', () => {
  it.each([
    [[node('a'), node('b', ['*#@a.x'])], 'NOT_SUPPORTED', 'node "b" uses "*#@a", which is not supported'],
    [[node('a', ['*@flowInput.x'])], 'INVALID', 'node "a" is depend on node "flowInput" which is not exists'],
    [[node('a', ['*@a'])], 'INVALID', 'cyclic nodes are not allowed on batch pipeline'],
    [[node('a', ['*@'])], 'INVALID', 'node "a" is depend on node "" which is not exists'],
    [
      [node('a', ['@dataSource.pictures/a/b.png'])],
      'NOT_SUPPORTED',
      'node "a" uses "@dataSource.pictures/a/b.png": data sources are not supported; hand the data over in flowInput, or where it is stored',
    ],
    ...['@dataSource', '@dataSource.x', '@dataSource./y', '@dataSource.x/', '#@dataSource.x'].map(
      (text): [object[], string, string] => [
        [node('a', [{ deep: [text] }])],
        'INVALID',
        'invalid input syntax, ex: @dataSource.<dataSourceName>/<fileName>',
      ],
    ),
    [[output('a', ['x'])], 'INVALID', 'node "a" should have parent nodes'],
    [[node('a'), output('b', ['@a']), node('c', ['@b'])], 'INVALID', 'node "b" should not have child nodes'],
    [
      [node('a'), output('b', ['@a']), output('c', ['@a'])],
      'INVALID',
      'pipeline can not have more than one output',
    ],
    [[{ nodeName: 'a' }], 'INVALID', 'please provide algorithm name'],
    [[{ nodeName: 'a', kind: 'output' }], 'INVALID', 'node "a" should have parent nodes'],
  ])('of %j is refused with %s: %s', (nodes, code, message) => {
    expect(check(nodes).problems).toMatchObject([{ code, message }]);
  });

  it('is refused in short sentences, however long a name is that refers to nothing', () => {
    const long = 'x'.repeat(1_000_000);
    for (const text of [
      `@flowInput.${long}`,
      `@${long}`,
      `#@${long}`,
      `*#@${long}`,
      `@dataSource.${long}/y`,
    ]) {
      const { problems } = check([node('a', [text])]);
      expect(problems).toHaveLength(1);
      expect(problems[0]!.message.length).toBeLessThan(300);
    }
  });

  it.each([
    ['a batch is waited for item by item', ['#[1,2]'], ['*@a'], { needs: [], waits: [0], batch: true }],
    ['what is no batch is waited for whole', ['x'], ['*@a'], { needs: [0], waits: [], batch: false }],
    ['both is both', ['#[1,2]'], ['*@a.x', { a: '@a' }], { needs: [0], waits: [0], batch: true }],
    ['a batch over a batch needs all of it', ['#[1,2]'], ['#@a'], { needs: [0], waits: [], batch: true }],
  ])('says that %s', (_what, parent, child, expected) => {
    expect(check([node('a', parent), node('b', child)]).nodes[1]).toMatchObject({
      parents: [0],
      ...expected,
    });
  });

  it('takes for a batch what waits for one, in whatever order the nodes come', () => {
    const { nodes } = check([
      node('d', ['*@c']),
      node('c', ['*@b']),
      node('b', ['*@a']),
      node('a', ['#[1]']),
      node('e', ['@d']),
      node('f', ['*@e']),
    ]);
    expect(nodes.map(({ batch }) => batch)).toEqual([true, true, true, true, false, false]);
    expect(nodes.map(({ waits }) => waits)).toEqual([[1], [2], [3], [], [], []]);
  });
});
