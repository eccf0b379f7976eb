import { apiError } from './api-error.js';

/** Ids that one `nodes` may ask for: what a page of a connection may hold. */
export const MAX_NODE_IDS = 100;

/** BAD_USER_INPUT where `nodes` is asked for more. */
export function checkNodeIds(count: number): void {
  if (count <= MAX_NODE_IDS) return;
  throw apiError(
    'BAD_USER_INPUT',
    `ids must hold at most ${MAX_NODE_IDS} ids, got ${count}: ask in several queries`,
  );
}

const TYPE_OF_PREFIX = new Map([
  ['acc', 'Account'],
  ['dlv', 'Delivery'],
  ['key', 'ApiKey'],
  ['pip', 'Pipeline'],
  ['tsk', 'Task'],
  ['wh', 'Webhook'],
]);

/**
 * The type an id is of. A job's id is its pipeline's name, a colon and a UUID, and a pipeline may be called
 * "wh_x": the colon decides. What is no id at all counts as a job's, and is not found.
 */
export function nodeType(id: string): string {
  if (id.includes(':')) return 'Job';
  return TYPE_OF_PREFIX.get(id.slice(0, id.indexOf('_'))) ?? 'Job';
}
