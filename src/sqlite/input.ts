import { type InputSource, MAX_INPUT_BYTES, type Reference, referencesIn } from '../reference.js';
import type { Handle } from './database.js';

type Results = InputSource['results'];

/**
 * Collects what inputs are made of, as JSON texts. One reader serves one claim: tasks of one node share the same
 * strings, so that the thousandth item of a batch does not load its parents' results again.
 */
export class InputReader {
  /** Of all texts read so far. */
  bytes = 0;
  private readonly flowInputs = new Map<number, string | null>();
  private readonly results = new Map<string, { batch: boolean; json: string } | { oversize: number }>();
  private readonly references = new Map<string, Reference[]>();

  constructor(private readonly db: Handle) {}

  ofTask(job: number, node: number, item: number, template: string): InputSource {
    const key = `${job}.${node}`;
    const references = this.references.get(key) ?? referencesIn(JSON.parse(template));
    this.references.set(key, references);
    const row =
      item === 0
        ? undefined
        : (this.db
            .prepare('select value from task_items where job = ? and node = ? and item = ?')
            .get(job, node, item) as { value: string } | undefined);
    const whole = references.filter((reference) => !reference.batch);
    return this.source(job, template, whole, row?.value ?? null);
  }

  /** The source for these references of a template. */
  source(job: number, template: string, references: readonly Reference[], item: string | null): InputSource {
    const results: Results = {};
    let bytes = template.length + (item?.length ?? 0);
    let flowInput: string | null = null;
    for (const reference of references) {
      if (reference.kind === 'flowInput' && flowInput === null) {
        flowInput = this.flowInput(job);
        bytes += flowInput?.length ?? 0;
      } else if (reference.kind === 'node' && !Object.hasOwn(results, reference.node)) {
        const result = this.result(job, reference.node);
        if ('oversize' in result)
          return { template: '[]', flowInput: null, results: {}, item: null, oversize: result.oversize };
        results[reference.node] = result;
        bytes += result.json.length;
      }
    }
    if (bytes > MAX_INPUT_BYTES)
      return { template: '[]', flowInput: null, results: {}, item: null, oversize: bytes };
    return { template, flowInput, results, item };
  }

  private flowInput(job: number): string | null {
    const known = this.flowInputs.get(job);
    if (known !== undefined) return known;
    const row = this.db.prepare('select flow_input from job_inputs where job = ?').get(job) as {
      flow_input: string | null;
    };
    this.flowInputs.set(job, row.flow_input);
    this.bytes += row.flow_input?.length ?? 0;
    return row.flow_input;
  }

  /** A node's result, or the array of what the items of its batch gave, in batch order; skipped: an empty array. */
  private result(job: number, name: string): { batch: boolean; json: string } | { oversize: number } {
    const key = `${job}.${name}`;
    const known = this.results.get(key);
    if (known) return known;
    const node = this.db
      .prepare('select node, batch, status, result_bytes as size from job_nodes where job = ? and name = ?')
      .get(job, name) as {
      node: number;
      batch: number;
      status: string;
      size: number;
    };
    const loaded = this.load(job, node);
    this.results.set(key, loaded);
    if ('json' in loaded) this.bytes += loaded.json.length;
    return loaded;
  }

  private load(
    job: number,
    { node, batch, status, size }: { node: number; batch: number; status: string; size: number },
  ) {
    if (status === 'SKIPPED') return { batch: true, json: '[]' };
    if (size > MAX_INPUT_BYTES) return { oversize: size };
    const { json } = this.db
      .prepare(
        "select group_concat(value, ',') as json from (select value from task_results where job = ? and node = ? order by item)",
      )
      .get(job, node) as { json: string | null };
    return batch === 1 ? { batch: true, json: `[${json ?? ''}]` } : { batch: false, json: json ?? 'null' };
  }
}
