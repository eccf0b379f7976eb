/** A page by keyset: rows after and before the rows with these ids, `limit` at most; `inverted` reads from the end. */
export interface Page {
  limit: number;
  after: string | null;
  before: string | null;
  inverted: boolean;
}
