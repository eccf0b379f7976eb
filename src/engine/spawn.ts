import { type BatchProblem, CHUNK_CHARS, type OpenBatch, tooManyTasks } from '../batch.js';
import { MAX_BATCH_ITEMS } from '../reference.js';
import type { Spawned } from '../state.js';
import type { Expansion } from '../store.js';
import type { Parts } from './parts.js';
import { settleJob } from './settle.js';

/**
 * Makes the next rows of a node that waits for items of its parents: for each item that is there, one row an element
 * of the node's own batch. True where nothing is left to look at.
 *
 * Rows of one item come in order, and an item that has not got all of them is looked at again: a crash, or a chunk
 * that is full, loses nothing and makes nothing twice.
 */
export async function spawnChunk(
  parts: Parts,
  { jobUuid, node }: Expansion,
  { total: fan, items }: Pick<OpenBatch, 'total' | 'items'>,
  most: number,
): Promise<boolean | BatchProblem> {
  const waiting = await parts.store.waiting(jobUuid, node, most);
  if (!waiting) return true;
  const total = waiting.width * fan;
  if (total > MAX_BATCH_ITEMS) return tooManyTasks(waiting.nodeName, total);
  const rows: Spawned['rows'] = [];
  const arrivals: number[] = [];
  let scanned = waiting.scanned;
  let chars = 0;
  let whole = true;
  for (const looked of waiting.looked) {
    let made = looked.made ?? fan;
    while (made < fan && rows.length < most && chars < CHUNK_CHARS) {
      const texts = await items(made, Math.min(fan - made, most - rows.length));
      if (!Array.isArray(texts)) return texts;
      for (const json of texts) {
        rows.push({ item: (looked.item - 1) * fan + ++made, json });
        chars += json?.length ?? 0;
      }
    }
    whole = made >= fan;
    if (!whole) break;
    arrivals.push(...looked.arrivals);
    if (looked.inOrder) scanned = looked.item;
  }
  const at = parts.clock.now();
  const spawned: Spawned = {
    kind: 'spawned',
    node,
    at,
    from: waiting.expanded,
    fan,
    scanned,
    arrivals,
    rows,
  };
  const [accepted] = await settleJob(parts, jobUuid, [spawned]);
  return !accepted || (whole && !waiting.more);
}
