import { MAX_ALGORITHM_BYTES, type StoredAlgorithm } from '../algorithm.js';
import { problem } from '../errors.js';
import { limitReached } from '../limits.js';
import type { SaveMode } from '../pipeline.js';
import type { Parts } from './parts.js';

/** What is stored says what an algorithm is; it runs where a module of its name is in the algorithms folder. */
export async function saveAlgorithm(
  { store, limits, clock }: Parts,
  accountId: string,
  { name, document, mode }: SaveAlgorithmRequest,
): Promise<StoredAlgorithm> {
  const text = JSON.stringify(document);
  const bytes = Buffer.byteLength(text);
  if (bytes > MAX_ALGORITHM_BYTES) {
    throw problem(
      'INVALID',
      `an algorithm must be at most ${MAX_ALGORITHM_BYTES} bytes of JSON, got ${bytes}`,
    );
  }
  const saved = await store.saveAlgorithm({ accountId, name, document: text, mode, limits, at: clock.now() });
  if ('algorithm' in saved) return saved.algorithm;
  if ('exists' in saved) throw problem('CONFLICT', `algorithm ${name} already exists`, ['name']);
  if ('missing' in saved) throw problem('NOT_FOUND', `algorithm ${name} Not Found`, ['name']);
  if ('noRoom' in saved) throw limitReached(saved.noRoom);
  throw problem(
    'LIMIT_REACHED',
    `an account can store ${saved.full} algorithms, and has so many: delete one that is not needed`,
    ['name'],
  );
}

export interface SaveAlgorithmRequest {
  name: string;
  document: object;
  mode: SaveMode;
}
