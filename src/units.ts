import type { progressOf } from './job.js';
import type { NodeRow } from './state.js';
import type { TaskStatus } from './task.js';

/**
 * How many units a node counts as: one until it is known how many tasks it has, and one if it has none. `first` is how its
 * first item stands, where that is known.
 */
export function unitsOf(node: NodeRow, first?: TaskStatus): Parameters<typeof progressOf>[0][number] {
  if (node.status === 'SKIPPED') return { total: 1, succeeded: 0, failed: 0, skipped: 1, active: 0 };
  const { total, succeeded, failed, active } = node;
  return { total: total ?? 1, succeeded, failed, active, first: first && (WORDS[first] ?? 'creating') };
}

const WORDS: { [status in TaskStatus]?: 'succeed' | 'failed' | 'active' } = {
  SUCCEEDED: 'succeed',
  FAILED: 'failed',
  ACTIVE: 'active',
};
