import {
  type InputSource,
  MAX_INPUT_BYTES,
  type Reference,
  referencesIn,
  sourceBytes,
} from '../reference.js';
import type { Handle } from './database.js';

type Results = InputSource['results'];
type Own = NonNullable<InputSource['own']>;

interface Taken {
  whole: Reference[];
  /** Parents by name: index. */
  oneByOne: Map<string, number>;
  /** Tasks for each item of those. */
  fan: number;
}

/**
 * Collects what inputs are made of, as JSON texts. One reader serves one claim: tasks of one node share the same
 * strings, so that the thousandth item of a batch does not load its parents' results again.
 */
export class InputReader {
  /** Of all texts read so far. */
  bytes = 0;
  private readonly flowInputs = new Map<number, string | null>();
  private readonly results = new Map<string, { batch: boolean; json: string } | { oversize: number }>();
  private readonly items = new Map<string, string | null>();
  private readonly taken = new Map<string, Taken>();

  constructor(private readonly db: Handle) {}

  ofTask(job: number, node: number, item: number, template: string): InputSource {
    const taken = this.takenBy(job, node, template);
    const row =
      item === 0
        ? undefined
        : (this.db
            .prepare('select value from task_items where job = ? and node = ? and item = ?')
            .get(job, node, item) as { value: string } | undefined);
    const source = this.source(job, template, taken.whole, row?.value ?? null);
    if (source.oversize !== undefined || taken.oneByOne.size === 0) return source;
    const own: Own = Object.create(null);
    let bytes = sourceBytes(source);
    for (const [name, parent] of taken.oneByOne) {
      const json = this.ownResult(job, parent, Math.ceil(item / taken.fan));
      own[name] = json;
      bytes += json?.length ?? 0;
    }
    return bytes > MAX_INPUT_BYTES ? oversize(bytes) : { ...source, own };
  }

  /** The source for these references of a template. */
  source(job: number, template: string, references: readonly Reference[], item: string | null): InputSource {
    // Without a prototype: a node may have any name.
    const results: Results = Object.create(null);
    let bytes = template.length + (item?.length ?? 0);
    let flowInput: string | null = null;
    for (const reference of references) {
      if (reference.kind === 'flowInput' && flowInput === null) {
        flowInput = this.flowInput(job);
        bytes += flowInput?.length ?? 0;
      } else if (reference.kind === 'node' && !Object.hasOwn(results, reference.node)) {
        const result = this.result(job, reference.node);
        if ('oversize' in result) return oversize(result.oversize);
        results[reference.node] = result;
        bytes += result.json.length;
      }
    }
    return bytes > MAX_INPUT_BYTES ? oversize(bytes) : { template, flowInput, results, item };
  }

  /** What a node's tasks take: all but the batch references, whose elements are in their items. */
  private takenBy(job: number, node: number, template: string): Taken {
    const key = `${job}.${node}`;
    const known = this.taken.get(key);
    if (known) return known;
    const references = referencesIn(JSON.parse(template)).filter((one) => one.relation !== 'batch');
    const taken: Taken = { whole: references, oneByOne: new Map(), fan: 1 };
    if (references.some((one) => one.relation === 'any')) {
      const { fan, waits } = this.db
        .prepare('select fan, waits from job_nodes where job = ? and node = ?')
        .get(job, node) as { fan: number | null; waits: string };
      const parents = this.db
        .prepare(
          'select name, node from job_nodes where job = ? and node in (select value from json_each(?))',
        )
        .raw()
        .all(job, waits) as [name: string, node: number][];
      taken.oneByOne = new Map(parents);
      taken.fan = fan ?? 1;
      // "*@" of what is no batch takes it whole.
      taken.whole = references.filter(
        (one) => !(one.kind === 'node' && one.relation === 'any' && taken.oneByOne.has(one.node)),
      );
    }
    this.taken.set(key, taken);
    return taken;
  }

  /** The result of one item of a parent; null where it failed, or the parent has no such item. */
  private ownResult(job: number, parent: number, item: number): string | null {
    const key = `${job}.${parent}.${item}`;
    const known = this.items.get(key);
    if (known !== undefined) return known;
    const row = this.db
      .prepare('select value from task_results where job = ? and node = ? and item = ?')
      .get(job, parent, item) as { value: string } | undefined;
    const json = row?.value ?? null;
    this.items.set(key, json);
    this.bytes += json?.length ?? 0;
    return json;
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

function oversize(bytes: number): InputSource {
  return { template: '[]', flowInput: null, results: {}, item: null, oversize: bytes };
}
