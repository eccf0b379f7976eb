import { taskRetryDelayMs } from './backoff.js';
import { overdueReason, paused, resumed, started } from './deadlines.js';
import type { EventType } from './event.js';
import { childrenOf } from './graph.js';
import { isEnded, type JobStatus, type Progress, progressOf, type TaskErrorCode } from './job.js';
import { MAX_LOST_LEASES } from './lease.js';
import {
  type Change,
  isWaiting,
  type JobRow,
  type JobState,
  type NodeRow,
  newTask,
  type Outcome,
  type Spawned,
  type TaskRow,
  taskFacts,
} from './state.js';
import { type RetryPolicy, type TaskRef, taskId } from './task.js';
import { unitsOf } from './units.js';

/** Arrivals that one Change may come to, and those of one outcome more: rows that are written, of about 5 ms. */
const MAX_ARRIVALS = 1_000;

/**
 * The rules by which a job advances: outcomes in, one Change out. Pure, and in proportion to the outcomes handed in.
 * Outcomes are folded in order; one that names a stale token, or comes after the end, changes nothing. Where a task
 * ends for hundreds of nodes that wait for it, only the first outcomes are taken: as many as `accepted` is long.
 */
export function advance(state: JobState, outcomes: readonly Outcome[]): Change {
  const fold = new Fold(state);
  const accepted: boolean[] = [];
  for (const outcome of outcomes) {
    accepted.push(fold.apply(outcome));
    if (fold.isFull) break;
  }
  fold.noteProgress(outcomes[accepted.length - 1]?.at ?? 0);
  return { ...fold.change(), accepted };
}

/** The first Change of a job: its entry nodes made ready, and JOB_PENDING. */
export function begin(job: JobRow, nodes: NodeRow[], at: number): Change {
  const fold = new Fold({ job, nodes, tasks: [] });
  fold.begin(at);
  return { ...fold.change(), accepted: [] };
}

class Fold {
  private readonly job: JobRow;
  private readonly nodes: NodeRow[];
  private readonly children: number[][];
  private readonly tasks = new Map<string, TaskRow>();
  private readonly changedNodes = new Set<NodeRow>();
  private readonly changedTasks = new Set<TaskRow>();
  private readonly newTasks: Change['newTasks'] = [];
  private readonly results: Change['results'] = [];
  private readonly arrivals: Change['arrivals'] = [];
  private readonly lookedAt: number[] = [];
  private readonly events: Change['events'] = [];
  private readonly revoked: string[] = [];
  private readonly percentBefore: number;

  constructor(state: JobState) {
    this.job = { ...state.job };
    this.nodes = state.nodes.map((node) => ({ ...node }));
    this.children = childrenOf(this.nodes.map((node) => node.parents));
    for (const task of state.tasks) this.tasks.set(keyOf(task), { ...task });
    this.percentBefore = state.job.progress.percent;
  }

  change(): Omit<Change, 'accepted'> {
    return {
      job: this.job,
      nodes: [...this.changedNodes],
      tasks: [...this.changedTasks],
      newTasks: this.newTasks,
      results: this.results,
      arrivals: this.arrivals,
      lookedAt: this.lookedAt,
      events: this.events,
      revoked: this.revoked,
    };
  }

  begin(at: number): void {
    this.emitJob('JOB_PENDING', at);
    for (const node of this.nodes) if (this.isReady(node)) this.activate(node, at);
  }

  /** JOB_PROGRESS once for a whole batch of outcomes, where the whole percent has changed: at most 100 a job. */
  noteProgress(at: number): void {
    this.job.progress = this.progress();
    if (isEnded(this.job.status)) return;
    if (Math.floor(this.job.progress.percent) > Math.floor(this.percentBefore))
      this.emitJob('JOB_PROGRESS', at);
  }

  /** Whether it has as much to write as one Change should. */
  get isFull(): boolean {
    return this.arrivals.length >= MAX_ARRIVALS;
  }

  /** Whether the outcome was accepted. */
  apply(outcome: Outcome): boolean {
    if (isEnded(this.job.status)) return false;
    switch (outcome.kind) {
      case 'cancel':
        this.end('CANCELLED', outcome.at, { reason: outcome.reason });
        return true;
      case 'pause':
        return this.pause(outcome.at);
      case 'resume':
        return this.resume(outcome.at);
      case 'overdue': {
        const reason = overdueReason(this.job.deadlines, outcome.at);
        if (reason !== null) this.end('CANCELLED', outcome.at, { reason });
        return reason !== null;
      }
      case 'broken': {
        const message = 'Carillon could not decide how this job goes on; its log says why';
        this.end('FAILED', outcome.at, {
          error: { code: 'INTERNAL', message, nodeName: null, taskId: null },
        });
        return true;
      }
      case 'expanded':
        return this.expand(outcome);
      case 'kept':
        return this.keep(outcome);
      case 'spawned':
        return this.spawn(outcome);
      case 'expansionFailed': {
        const node = this.nodes[outcome.node];
        if (node?.status !== 'ACTIVE') return false;
        this.failJob(node, null, outcome.code, outcome.message, outcome.at);
        return true;
      }
      default:
        return this.applyToTask(outcome);
    }
  }

  private applyToTask(outcome: Extract<Outcome, { ref: TaskRef }>): boolean {
    const task = this.tasks.get(keyOf(outcome.ref));
    const node = this.nodes[outcome.ref.node];
    if (!task || !node || task.token === null || task.token !== outcome.token) return false;
    switch (outcome.kind) {
      case 'started':
        // Told again, where the first answer was lost: true, and nothing changes.
        this.start(node, task, outcome.at);
        return true;
      case 'progress':
        this.start(node, task, outcome.at);
        task.percent = outcome.percent;
        this.emitTask('TASK_PROGRESS', node, task, outcome.at, { message: outcome.message });
        return true;
      case 'succeeded':
        this.start(node, task, outcome.at);
        this.results.push({ node: task.node, item: task.item, json: outcome.result });
        task.status = 'SUCCEEDED';
        node.succeeded++;
        this.settle(node, task, outcome.at);
        this.emitTask('TASK_COMPLETED', node, task, outcome.at);
        this.free(task);
        this.finish(node, task, outcome.at);
        return true;
      case 'failed':
        this.start(node, task, outcome.at);
        this.fail(node, task, outcome);
        return true;
      case 'released':
        if (task.status !== 'READY') return false;
        this.free(task);
        return true;
      case 'expired':
        this.expire(node, task, outcome.at);
        return true;
    }
  }

  /** The attempt counts from here. A settlement whose start was never reported starts the task as well. */
  private start(node: NodeRow, task: TaskRow, at: number): void {
    this.touch(node, task);
    if (task.status !== 'READY') return;
    task.status = 'ACTIVE';
    task.attempt++;
    task.startedAt = at;
    node.active++;
    this.activateJob(at);
    this.emitTask('TASK_ACQUIRED', node, task, at);
  }

  /** A lease that ended before the start counts as lost; after it, the worker has crashed. */
  private expire(node: NodeRow, task: TaskRow, at: number): void {
    this.touch(node, task);
    const message = 'the lease of the worker ended before the task did';
    if (task.status === 'ACTIVE') {
      this.fail(node, task, { at, code: 'LEASE_LOST', message, crash: true });
      return;
    }
    task.lost++;
    if (task.lost < MAX_LOST_LEASES) {
      this.free(task);
      return;
    }
    this.start(node, task, at);
    this.giveUp(node, task, 'LEASE_LOST', `${message}, ${task.lost} times`, at);
  }

  private fail(
    node: NodeRow,
    task: TaskRow,
    failure: { at: number; code: TaskErrorCode; message: string; crash: boolean },
  ): void {
    const { at, code, message, crash } = failure;
    if (!retries(node.retryPolicy, crash) || task.attempt >= node.retryLimit) {
      this.giveUp(node, task, code, message, at);
      return;
    }
    task.error = { code, message };
    task.status = 'WAITING';
    task.retryAt = at + taskRetryDelayMs(task.attempt);
    node.active--;
    this.emitTask('TASK_RETRIED', node, task, at);
    this.free(task);
  }

  private giveUp(node: NodeRow, task: TaskRow, code: TaskErrorCode, message: string, at: number): void {
    task.error = { code, message };
    task.status = 'FAILED';
    node.failed++;
    this.settle(node, task, at);
    this.emitTask('TASK_FAILED', node, task, at);
    this.free(task);
    if (!node.batch) {
      this.failJob(node, task, code, message, at);
      return;
    }
    // HKube's rule: items that have not run yet count in the denominator, and reaching the tolerance fails. Of a node
    // that waits for items HKube counts those made so far, so that the first one may be 1 of 1: here all of them count.
    const total = node.total ?? 1;
    const percent = Math.round((node.failed / total) * 100);
    if (percent < this.job.batchTolerance) {
      this.finish(node, task, at);
      return;
    }
    const sentence = `${node.failed}/${total} (${percent}%) failed tasks, batch tolerance is ${this.job.batchTolerance}%, error: ${message}`;
    this.failJob(node, task, 'BATCH_TOLERANCE', sentence, at);
  }

  private settle(node: NodeRow, task: TaskRow, at: number): void {
    node.active--;
    task.finishedAt = at;
    task.retryAt = null;
  }

  private expand(outcome: Extract<Outcome, { kind: 'expanded' }>): boolean {
    const node = this.nodes[outcome.node];
    if (this.isBeforeStart()) return false;
    // A chunk that another expansion has already made is stale.
    const open = node?.status === 'ACTIVE' && node.batch && node.keeping === null && !isWaiting(node);
    if (!open || node.expanded !== outcome.from) return false;
    this.changedNodes.add(node);
    outcome.items.forEach((itemJson, index) => {
      this.newTasks.push({ ...newTask(node.index, outcome.from + index + 1, outcome.at), itemJson });
    });
    node.expanded += outcome.items.length;
    if (node.total === null) this.counted(node, outcome.total, outcome.at);
    return true;
  }

  /** Counts what was copied from an ended job, without a word about each; makes anew what did not succeed there. */
  private keep(outcome: Extract<Outcome, { kind: 'kept' }>): boolean {
    const node = this.nodes[outcome.node];
    if (node?.status !== 'ACTIVE' || node.keeping?.next !== outcome.from) return false;
    this.changedNodes.add(node);
    if (outcome.gone) {
      const message = `what was to be kept of node "${node.name}" was removed with its job; run the pipeline from the start`;
      this.failJob(node, null, 'INPUT_INVALID', message, outcome.at);
      return true;
    }
    const { next, succeeded, failed, again, at } = outcome;
    for (const { item, itemJson } of again)
      this.newTasks.push({ ...newTask(node.index, item, at), itemJson });
    node.succeeded += succeeded;
    node.failed += failed;
    node.expanded += succeeded + failed + again.length;
    node.keeping = next === null ? null : { ...node.keeping, next };
    if (next === null) this.activateChildren(node, at);
    this.finishNode(node, at);
    return true;
  }

  /** Rows come in any order, by parents' items: those of the first one are 1 … fan. */
  private spawn(outcome: Spawned): boolean {
    const node = this.nodes[outcome.node];
    if (this.isBeforeStart()) return false;
    const open = node?.status === 'ACTIVE' && node.keeping === null && isWaiting(node);
    if (!open || node.expanded !== outcome.from) return false;
    this.changedNodes.add(node);
    this.lookedAt.push(...outcome.arrivals);
    for (const { item, json } of outcome.rows)
      this.newTasks.push({ ...newTask(node.index, item, outcome.at), itemJson: json });
    node.expanded += outcome.rows.length;
    node.scanned = Math.max(node.scanned, outcome.scanned);
    if (node.fan === null) {
      node.fan = outcome.fan;
      this.counted(node, node.fan * this.width(node), outcome.at);
    }
    return true;
  }

  /** Whether it was paused before anything of it has begun: a node without tasks could end it. */
  private isBeforeStart(): boolean {
    return this.job.status === 'PAUSED' && this.job.startedAt === null;
  }

  /** It is known how many tasks a node has. */
  private counted(node: NodeRow, total: number, at: number): void {
    node.total = total;
    if (total > 0) {
      this.activateChildren(node, at);
      return;
    }
    node.status = 'SKIPPED';
    this.emitTask('TASK_SKIPPED', node, { ...newTask(node.index, 0, at), status: 'SKIPPED' }, at);
    this.finished(node, at);
  }

  /** Items that the parents of a waiting node have; of several the most: what the others lack is null. */
  private width(node: NodeRow): number {
    return Math.max(...node.waits.map((parent) => this.nodes[parent]!.total ?? 0));
  }

  /** One more of its tasks has ended: its children may wait for that one, or for all of them. */
  private finish(node: NodeRow, task: TaskRow, at: number): void {
    for (const index of this.children[node.index]!) {
      const child = this.nodes[index]!;
      const open = child.status === 'ACTIVE' && child.expanded < (child.total ?? Number.POSITIVE_INFINITY);
      if (open && child.waits.includes(node.index)) this.arrivals.push({ node: index, item: task.item });
    }
    this.finishNode(node, at);
  }

  private finishNode(node: NodeRow, at: number): void {
    if (node.succeeded + node.failed < (node.total ?? Number.POSITIVE_INFINITY)) return;
    node.status = 'SUCCEEDED';
    this.finished(node, at);
  }

  private finished(node: NodeRow, at: number): void {
    this.activateChildren(node, at);
    // A child that was skipped may have ended the job already.
    if (!isEnded(this.job.status) && this.nodes.every((one) => this.isFinished(one)))
      this.end('COMPLETED', at, {});
  }

  private isFinished({ status }: NodeRow): boolean {
    return status === 'SUCCEEDED' || status === 'SKIPPED';
  }

  private activateChildren(node: NodeRow, at: number): void {
    for (const index of this.children[node.index]!) {
      const child = this.nodes[index]!;
      if (this.isReady(child)) this.activate(child, at);
    }
  }

  private isReady({ status, keeping, needs, waits }: NodeRow): boolean {
    if (status !== 'WAITING') return false;
    // What is kept whole runs nothing, and waits for nobody.
    if (keeping?.whole) return true;
    // Items that are copied do not arrive: they are looked at once all are there.
    const counted = (parent: NodeRow) => parent.total !== null && parent.keeping === null;
    return (
      needs.every((parent) => this.isFinished(this.nodes[parent]!)) &&
      waits.every((parent) => counted(this.nodes[parent]!))
    );
  }

  /**
   * Its inputs are all there, or on their way one by one. A batch still has to be expanded, which is not done here: it
   * takes the inputs. Nor is copying.
   */
  private activate(node: NodeRow, at: number): void {
    this.changedNodes.add(node);
    node.status = 'ACTIVE';
    if (node.keeping) return;
    if (isWaiting(node)) {
      const width = this.width(node);
      if (width === 0 || node.fan !== null) this.counted(node, width * (node.fan ?? 0), at);
      return;
    }
    if (node.batch) return;
    this.newTasks.push({ ...newTask(node.index, 0, at), itemJson: null });
    node.expanded = 1;
    node.total = 1;
  }

  private activateJob(at: number): void {
    if (this.job.status !== 'PENDING') return;
    this.job.status = 'ACTIVE';
    this.job.startedAt = at;
    this.job.deadlines = started(this.job.deadlines, at);
    this.emitJob('JOB_ACTIVE', at);
  }

  /** What runs goes on; what was handed out and has not started is taken back, and waits. */
  private pause(at: number): boolean {
    if (this.job.status === 'PAUSED') return false;
    for (const task of this.tasks.values()) {
      if (task.token === null || task.status !== 'READY') continue;
      this.revoked.push(task.token);
      this.free(task);
    }
    this.job.status = 'PAUSED';
    this.job.deadlines = paused(this.job.deadlines, at);
    this.emitJob('JOB_PAUSED', at);
    return true;
  }

  private resume(at: number): boolean {
    if (this.job.status !== 'PAUSED') return false;
    this.job.status = this.job.startedAt === null ? 'PENDING' : 'ACTIVE';
    this.job.deadlines = resumed(this.job.deadlines, at);
    this.emitJob('JOB_RESUMED', at);
    return true;
  }

  private failJob(
    node: NodeRow,
    task: TaskRow | null,
    code: TaskErrorCode,
    message: string,
    at: number,
  ): void {
    this.changedNodes.add(node);
    node.status = 'FAILED';
    const id = task && taskId(this.job.uuid, task);
    this.end('FAILED', at, { error: { code, message, nodeName: node.name, taskId: id } });
  }

  /** Touches only the tasks under lease; the rest never start, emit nothing and read as CANCELLED. */
  private end(status: JobStatus, at: number, why: Partial<Pick<JobRow, 'error' | 'reason'>>): void {
    if (status === 'COMPLETED') this.activateJob(at);
    for (const task of this.tasks.values()) {
      if (task.token === null) continue;
      const node = this.nodes[task.node]!;
      this.touch(node, task);
      if (task.status === 'ACTIVE') node.active--;
      task.status = 'CANCELLED';
      task.finishedAt = at;
      this.revoked.push(task.token);
      this.emitTask('TASK_CANCELLED', node, task, at);
      this.free(task);
    }
    Object.assign(this.job, why, { status, finishedAt: at });
    this.emitJob(`JOB_${status}` as EventType, at);
  }

  private touch(node: NodeRow, task: TaskRow): void {
    this.changedNodes.add(node);
    this.changedTasks.add(task);
  }

  private free(task: TaskRow): void {
    this.changedTasks.add(task);
    task.token = null;
    task.worker = null;
    task.leaseExpiresAt = null;
  }

  private progress(): Progress {
    const stopped = this.job.status === 'FAILED' || this.job.status === 'CANCELLED';
    const units = this.nodes.map((node) =>
      unitsOf(node, this.tasks.get(keyOf({ node: node.index, item: 1 }))?.status),
    );
    return progressOf(units, stopped, this.job.progress.percent);
  }

  private emitJob(type: EventType, at: number): void {
    this.job.progress = this.progress();
    const { status, progress, error, reason, startedAt, finishedAt } = this.job;
    this.events.push({
      type,
      occurredAt: at,
      facts: { of: 'job', status, progress, error, reason, startedAt, finishedAt },
    });
  }

  private emitTask(
    type: EventType,
    node: NodeRow,
    task: TaskRow,
    at: number,
    more: { message?: string | null } = {},
  ): void {
    this.events.push({
      type,
      occurredAt: at,
      facts: taskFacts(node, task, more.message ?? null),
    });
  }
}

function retries(policy: RetryPolicy, crash: boolean): boolean {
  return policy === 'Always' || policy === (crash ? 'OnCrash' : 'OnError');
}

function keyOf(ref: TaskRef): string {
  return `${ref.node}.${ref.item}`;
}
