import { type Descriptor, pipelineOf } from '../descriptor.js';
import type { Problem } from '../errors.js';
import { notFoundSentence } from '../pipeline.js';
import type { Store } from '../store.js';

/** Nodes that name a stored pipeline which there is not. */
export async function unknownPipelines(
  store: Store,
  accountId: string,
  { nodes }: Descriptor,
): Promise<Problem[]> {
  const known = new Map<string, boolean>();
  const problems: Problem[] = [];
  for (const [index, node] of nodes.entries()) {
    const name = node.kind === 'pipeline' ? pipelineOf(node) : null;
    if (name === null) continue;
    if (!known.has(name)) known.set(name, (await store.pipeline(accountId, name)) !== null);
    if (known.get(name)) continue;
    const path = ['nodes', String(index), 'spec'];
    problems.push({ code: 'NOT_FOUND', message: notFoundSentence(name), path });
  }
  return problems;
}
