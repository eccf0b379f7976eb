import type { Timer } from '../clock.js';
import type { LeasedTask } from '../lease.js';
import type { TaskRef } from '../task.js';
import type { Slots } from './slots.js';

/** Why a running task is being stopped. A cancelled one owes no outcome: its lease is no longer ours. */
export type StopReason = 'cancel' | 'shutdown' | 'timeout';

/** A leased task in the pool's hands, from its claim until its last outcome is settled. */
export class Held {
  readonly task: LeasedTask;
  readonly path: string;
  readonly jobUuid: string;
  readonly ref: TaskRef;
  /** By the pool's clock. */
  readonly acquiredAt: number;
  /** Of the latest hand-over to a thread. */
  id = 0;
  slots: Slots | null = null;
  index = 0;
  /** When the pool first saw it running, by the pool's clock. */
  seenAt: number | null = null;
  /** Seen running twice: what waits behind it is better off elsewhere. */
  long = false;
  /** As it was reported; null until it is. */
  reportedStartAt: number | null = null;
  stopping: StopReason | null = null;
  /** Runs from the abort of its signal to the end of its thread. */
  grace: Timer | null = null;
  /** Its last outcome waits to be settled. */
  ended = false;

  constructor(task: LeasedTask, parsed: TaskRef & { jobUuid: string }, path: string, acquiredAt: number) {
    this.task = task;
    this.path = path;
    this.jobUuid = parsed.jobUuid;
    this.ref = { node: parsed.node, item: parsed.item };
    this.acquiredAt = acquiredAt;
  }

  get token(): string {
    return this.task.token;
  }

  place(id: number, slots: Slots, index: number): void {
    this.id = id;
    this.slots = slots;
    this.index = index;
  }

  state(): number | null {
    return this.slots?.state(this.index) ?? null;
  }

  /** When its code began, by the thread's clock. */
  startedAt(): number {
    return this.slots?.startedAt(this.index) ?? 0;
  }

  /** True unless a thread has started it. */
  revoke(): boolean {
    return this.slots?.revoke(this.index) ?? true;
  }
}
