import { advance, begin } from '../../src/advance.js';
import type { NewEvent } from '../../src/event.js';
import { isEnded, progressOf } from '../../src/job.js';
import type { Change, JobRow, JobState, NodeRow, Outcome, TaskRow } from '../../src/state.js';

export interface NodeShape {
  parents: number[];
  batch: boolean;
  retryLimit?: number;
  /** Those of its parents whose items it takes one by one; `fan` is null where it has a batch of its own as well. */
  waits?: number[];
  fan?: number | null;
}

/** A job kept in memory, to try the rules on without a store: every task has a row, and a claim is a token. */
export class ModelJob {
  job: JobRow;
  nodes: NodeRow[];
  tasks = new Map<string, TaskRow>();
  events: NewEvent[] = [];
  results = new Map<string, string>();
  /** How often each task was made ready for the first time. */
  made = new Map<string, number>();
  private tokens = 0;

  constructor(shapes: NodeShape[], batchTolerance = 80) {
    const rows = shapes.map(
      (
        { parents, batch, retryLimit = 3, waits = [], fan = waits.length > 0 ? 1 : null },
        index,
      ): NodeRow => ({
        index,
        name: `n${index}`,
        kind: 'algorithm',
        algorithmName: 'any',
        queue: 'any',
        batch,
        parents,
        needs: parents.filter((parent) => !waits.includes(parent)),
        waits,
        fan,
        scanned: 0,
        retryPolicy: 'Always',
        retryLimit,
        status: 'WAITING',
        total: null,
        expanded: 0,
        succeeded: 0,
        failed: 0,
        active: 0,
        keeping: null,
      }),
    );
    this.job = {
      uuid: '00000000-0000-7000-8000-000000000000',
      status: 'PENDING',
      reason: null,
      error: null,
      progress: progressOf([], false, 0),
      batchTolerance,
      deadlines: { ttlAt: null, activeTtlMs: null, activeTtlAt: null, pausedAt: null },
      startedAt: null,
      finishedAt: null,
    };
    this.nodes = rows;
    this.absorb(begin(this.job, rows, 0));
  }

  get ended(): boolean {
    return isEnded(this.job.status);
  }

  state(): JobState {
    return structuredClone({ job: this.job, nodes: this.nodes, tasks: [...this.tasks.values()] });
  }

  apply(...outcomes: Outcome[]): Change {
    const change = advance(this.state(), outcomes);
    this.absorb(change);
    return change;
  }

  /** Leases a task that waits for a worker; retries that wait for their time count as due. */
  claim(pick: number): TaskRow | null {
    const ready = [...this.tasks.values()].filter(
      (task) => (task.status === 'READY' && task.token === null) || task.status === 'WAITING',
    );
    const task = ready[pick % Math.max(ready.length, 1)];
    if (!task || this.ended) return null;
    task.status = 'READY';
    task.token = `t${++this.tokens}`;
    return task;
  }

  get leased(): TaskRow[] {
    return [...this.tasks.values()].filter((task) => task.token !== null);
  }

  get expanding(): NodeRow[] {
    if (this.ended) return [];
    return this.nodes.filter(
      (node) => node.batch && node.status === 'ACTIVE' && node.expanded < (node.total ?? 1),
    );
  }

  private absorb(change: Change): void {
    this.job = change.job;
    for (const node of change.nodes) this.nodes[node.index] = node;
    for (const task of change.tasks) this.tasks.set(`${task.node}.${task.item}`, task);
    for (const { itemJson: _item, ...task } of change.newTasks) {
      const key = `${task.node}.${task.item}`;
      this.made.set(key, (this.made.get(key) ?? 0) + 1);
      this.tasks.set(key, task);
    }
    for (const result of change.results) this.results.set(`${result.node}.${result.item}`, result.json);
    this.events.push(...change.events);
  }
}
