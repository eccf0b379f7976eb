import { Loop } from '../loop.js';
import {
  type Batch,
  batchItem,
  batchList,
  batchSize,
  MAX_BATCH_ITEMS,
  MissingPathError,
} from '../reference.js';
import type { Outcome } from '../state.js';
import type { Expansion, ExpansionInputs } from '../store.js';
import type { Parts } from './parts.js';
import { settleJob } from './settle.js';

/** Rows a chunk makes: each is a unit of a commit, of about 4 ms. */
const CHUNK = 500;
/** Chunks in a row for one node before the next one gets its turn. */
const CHUNKS_A_TURN = 8;
/** Batches whose lists are kept in memory between their turns. */
const KEPT = 8;

/**
 * Makes the task rows of batches, in chunks, each its own commit: a crash loses one chunk, and a batch of a million
 * delays nobody. The rows of many batches are made in turns.
 */
export function createExpander(parts: Parts): Loop {
  const kept = new Map<string, Batch>();
  let place: string | null = null;

  const step = async (): Promise<number | null> => {
    const expansion = await parts.store.nextExpansion(place);
    if (!expansion) return null;
    place = expansion.place;
    await expand(parts, expansion, kept);
    return 0;
  };
  return new Loop(parts.clock, parts.log, 'expander', step);
}

async function expand(parts: Parts, expansion: Expansion, kept: Map<string, Batch>): Promise<void> {
  const batch = kept.get(expansion.place) ?? (await open(parts, expansion));
  if (!batch) return;
  kept.set(expansion.place, batch);
  for (const oldest of kept.keys()) if (kept.size > KEPT) kept.delete(oldest);

  const total = batchSize(batch);
  let from = expansion.expanded;
  for (let chunk = 0; chunk < CHUNKS_A_TURN; chunk++) {
    const count = Math.min(CHUNK, total - from);
    const items = Array.from({ length: count }, (_, index) => JSON.stringify(batchItem(batch, from + index)));
    const accepted = await settle(parts, expansion, {
      kind: 'expanded',
      node: expansion.node,
      at: parts.clock.now(),
      total,
      from,
      items,
    });
    from += count;
    if (!accepted || from >= total) {
      kept.delete(expansion.place);
      return;
    }
  }
}

/** The lists of a batch; null where the job failed instead, or has nothing to expand any more. */
async function open(parts: Parts, expansion: Expansion): Promise<Batch | null> {
  const inputs = await parts.store.expansionInputs(expansion.jobUuid, expansion.node);
  if (!inputs) return null;
  const fail = async (code: 'INPUT_INVALID' | 'INPUT_TOO_LARGE', message: string) => {
    await settle(parts, expansion, {
      kind: 'expansionFailed',
      node: expansion.node,
      at: parts.clock.now(),
      code,
      message,
    });
    return null;
  };
  if (inputs.source.oversize !== undefined)
    return fail('INPUT_TOO_LARGE', oversizeMessage(inputs.nodeName, inputs.source.oversize));
  try {
    const batch = batchOf(inputs);
    const size = batchSize(batch);
    if (size <= MAX_BATCH_ITEMS) return batch;
    return fail(
      'INPUT_TOO_LARGE',
      `node "${inputs.nodeName}" must have at most ${MAX_BATCH_ITEMS} tasks, got ${size}`,
    );
  } catch (error) {
    if (error instanceof MissingPathError) return fail('INPUT_INVALID', error.message);
    throw error;
  }
}

function batchOf({ nodeName, references, operation, source }: ExpansionInputs): Batch {
  return { lists: references.map((reference) => batchList(reference, nodeName, source)), operation };
}

export function oversizeMessage(nodeName: string, bytes: number): string {
  return `the input of node "${nodeName}" must be at most 64 MiB of JSON, got ${bytes} bytes; hand over less, or a reference to where it is stored`;
}

async function settle(parts: Parts, expansion: Expansion, outcome: Outcome): Promise<boolean> {
  return (await settleJob(parts, expansion.jobUuid, [outcome]))[0]!;
}
