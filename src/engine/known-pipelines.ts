import { type Descriptor, pipelineOf } from '../descriptor.js';
import type { Problem } from '../errors.js';
import { notFoundSentence } from '../pipeline.js';
import type { Store } from '../store.js';
import type { SubmitInput } from './engine.js';

/** Nodes that name a stored pipeline which there is not. */
export async function unknownPipelines(
  store: Store,
  accountId: string,
  { nodes }: Descriptor,
  kept: SubmitInput['kept'],
): Promise<Problem[]> {
  const known = new Map<string, boolean>();
  const problems: Problem[] = [];
  for (const [index, node] of nodes.entries()) {
    const name = node.kind === 'pipeline' ? pipelineOf(node) : null;
    // Of what is kept whole nothing runs.
    if (name === null || kept?.get(node.nodeName)?.whole) continue;
    if (!known.has(name)) known.set(name, (await store.pipeline(accountId, name)) !== null);
    if (known.get(name)) continue;
    const path = ['nodes', String(index), 'spec'];
    problems.push({ code: 'NOT_FOUND', message: notFoundSentence(name), path });
  }
  return problems;
}
