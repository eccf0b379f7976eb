/** Documents that an account may store. */
export const MAX_ALGORITHMS = 1_000;
/** Of one document, as JSON text in UTF-8. */
export const MAX_ALGORITHM_BYTES = 64 * 1024;

/** What an account has stored about an algorithm. It describes one; what runs is the module of its name. */
export interface StoredAlgorithm {
  name: string;
  /** JSON text. */
  document: string;
  modifiedAt: number;
}
