import type { Handle } from './database.js';

/** Whether this run is still owed. */
export function triggeredStands(db: Handle, key: number): boolean {
  return db.prepare('select 1 from triggered where key = ?').get(key) !== undefined;
}

/** The run is owed no more: it was submitted, or (with an error) it never will be. */
export function takeTriggered(db: Handle, key: number, error: string | null): void {
  const row = db.prepare('delete from triggered where key = ? returning pipeline').get(key) as
    | { pipeline: number }
    | undefined;
  if (row)
    db.prepare(
      'update pipelines set trigger_error = @error where key = @pipeline and trigger_error is not @error',
    ).run({ error, pipeline: row.pipeline });
}
