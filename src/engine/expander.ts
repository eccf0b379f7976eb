import type { BatchProblem, OpenBatch } from '../batch.js';
import { Loop } from '../loop.js';
import type { Outcome } from '../state.js';
import type { Expansion } from '../store.js';
import type { Parts } from './parts.js';
import { settleJob } from './settle.js';
import { spawnChunk } from './spawn.js';

/** Rows a chunk makes: each is a unit of a commit, of about 2 ms. */
const CHUNK = 250;
/** Chunks in a row for one node before the next one gets its turn. */
const CHUNKS_A_TURN = 32;
/** Batches that stay open between their turns. */
const KEPT = 8;

/**
 * Makes the task rows of batches, in chunks, each its own commit: a crash loses one chunk, and a batch of a million
 * delays nobody. The rows of many batches are made in turns; those of a node that waits for items of its parents as
 * the items are done.
 */
export function createExpander(parts: Parts): Loop {
  const kept = new Map<string, OpenBatch>();
  let place: string | null = null;

  const drop = (key: string) => {
    kept.get(key)?.close();
    kept.delete(key);
  };
  return new Loop(parts.clock, parts.log, 'expander', async () => {
    const expansion = await parts.store.nextExpansion(place);
    if (!expansion) {
      // Of a job that ended in between: nobody asks for the rest of it.
      for (const key of [...kept.keys()]) drop(key);
      return null;
    }
    place = expansion.place;
    const batch = kept.get(place) ?? (await open(parts, expansion));
    if (!batch) return 0;
    kept.set(place, batch);
    if (await expand(parts, expansion, batch)) drop(place);
    for (const oldest of [...kept.keys()].slice(0, Math.max(kept.size - KEPT, 0))) drop(oldest);
    return 0;
  });
}

/** Makes the next chunks; true where the node has all its rows (so far), cannot get them, or wants no more. */
async function expand(parts: Parts, expansion: Expansion, { total, ...batch }: OpenBatch): Promise<boolean> {
  const items: OpenBatch['items'] = (from, count) =>
    batch.items(from, count).catch((error: unknown) => broken(parts, expansion, error));
  let from = expansion.expanded;
  const next = async (): Promise<boolean | BatchProblem> => {
    if (expansion.waits) return spawnChunk(parts, expansion, { total, items }, CHUNK);
    const texts = await items(from, Math.min(CHUNK, total - from));
    if (!Array.isArray(texts)) return texts;
    const { node } = expansion;
    const chunk = { node, at: parts.clock.now(), total, from, items: texts };
    from += texts.length;
    return !(await settle(parts, expansion, { kind: 'expanded', ...chunk })) || from >= total;
  };
  for (let chunk = 0; chunk < CHUNKS_A_TURN; chunk++) {
    const done = await next();
    if (typeof done !== 'boolean') await fail(parts, expansion, done);
    if (done !== false) return true;
  }
  return false;
}

/** Null where the job failed instead, or has nothing to expand any more. */
async function open(parts: Parts, expansion: Expansion): Promise<OpenBatch | null> {
  const inputs = await parts.store.expansionInputs(expansion.jobUuid, expansion.node);
  const opened =
    inputs && (await parts.openBatch(inputs).catch((error: unknown) => broken(parts, expansion, error)));
  if (opened === null || 'items' in opened) return opened;
  await fail(parts, expansion, opened);
  return null;
}

/** What cannot be read now cannot be read later: the job ends, so that nobody tries for ever. */
function broken({ log }: Parts, { jobUuid, node }: Expansion, error: unknown): BatchProblem {
  log.error({ err: error, jobUuid, node }, 'a batch could not be read; its job is ended');
  return { code: 'INTERNAL', message: 'Carillon could not make the tasks of this batch; its log says why' };
}

function fail(parts: Parts, expansion: Expansion, problem: BatchProblem): Promise<boolean> {
  const { node } = expansion;
  return settle(parts, expansion, { kind: 'expansionFailed', node, at: parts.clock.now(), ...problem });
}

async function settle(parts: Parts, expansion: Expansion, outcome: Outcome): Promise<boolean> {
  return (await settleJob(parts, expansion.jobUuid, [outcome]))[0]!;
}
