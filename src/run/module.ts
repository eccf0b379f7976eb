import { Worker } from 'node:worker_threads';
import type { TaskErrorCode } from '../job.js';
import type { Held } from './held.js';
import {
  type ChildAnswer,
  type FromThread,
  isWellFormed,
  type LogLine,
  type ThreadSettings,
  type ThreadTask,
  type ToThread,
} from './messages.js';
import { DONE, Slots, STARTED, WAITING } from './slots.js';
import { pack } from './texts.js';

export interface ThreadOptions {
  entry: URL;
  name: string;
  settings: ThreadSettings;
  memoryMb: number;
}

/** How a task's code came to its end. */
export type TaskEnd =
  | { kind: 'done'; at: number; result: string }
  | { kind: 'failed'; at: number; code: TaskErrorCode; message: string; crash: boolean };

export interface ThreadHandlers {
  ready(thread: ModuleThread): void;
  /** The task has been let go of. */
  ended(thread: ModuleThread, held: Held, end: TaskEnd): void;
  progress(held: Held, at: number, percent: number | null, message: string | null): void;
  /** The running task asks for a job; `answer` may be called until it has ended. */
  child(thread: ModuleThread, held: Held, json: string, answer: (answer: ChildAnswer) => void): void;
  line(line: LogLine): void;
  /** It will end by itself and starts nothing more. */
  retiring(thread: ModuleThread): void;
  /** It has ended by itself. Its running task has had its `ended`; `waiting` were never started. */
  exited(thread: ModuleThread, waiting: Held[]): void;
}

/**
 * One worker thread as the main thread sees it: the tasks handed to it, oldest first. At most the first of them is
 * running. Which one has been started is read from memory that both share, so it is known even of a thread that is
 * stuck in a loop.
 */
export class ModuleThread {
  readonly #worker: Worker;
  readonly #handlers: ThreadHandlers;
  readonly #memoryMb: number;
  #held: Held[] = [];
  #ready = false;
  #ending = false;
  #dead = false;
  #error: unknown = null;
  readonly #gone: Promise<void>;
  /** It is one too many, and is given nothing. */
  isParked = false;
  /** Since when its first task waits although nothing runs; by the pool's clock. */
  stalledAt: number | null = null;

  constructor({ entry, name, settings, memoryMb }: ThreadOptions, handlers: ThreadHandlers) {
    this.#handlers = handlers;
    this.#memoryMb = memoryMb;
    this.#worker = new Worker(entry, {
      name,
      workerData: settings,
      env: {},
      argv: [],
      execArgv: [],
      stdout: true,
      stderr: true,
      resourceLimits: { maxOldGenerationSizeMb: memoryMb },
    });
    // Modules' lines come as messages; what else gets into the streams is drained, or it would wait in memory.
    this.#worker.stdout.resume();
    this.#worker.stderr.resume();
    this.#worker.on('message', (message: FromThread) => this.#receive(message));
    this.#worker.on('error', (error) => {
      this.#error = error;
    });
    this.#gone = new Promise((resolve) => {
      // Node delivers all that the thread had posted before it says that the thread has ended.
      this.#worker.on('exit', (code) => {
        resolve();
        this.#exited(code);
      });
    });
  }

  /** Tasks in its hands, the running one included. */
  get size(): number {
    return this.#held.length;
  }

  get tasks(): readonly Held[] {
    return this.#held;
  }

  get isReady(): boolean {
    return this.#ready;
  }

  /** Takes no more tasks: it is ending, or has ended. */
  get isEnding(): boolean {
    return this.#ending;
  }

  /** The task whose code runs now, or whose end is about to be heard of. */
  running(): Held | null {
    const first = this.#held[0];
    const state = first?.state();
    return first && (state === STARTED || state === DONE) ? first : null;
  }

  /** Hands tasks over, to be run in this order after those it has. `firstId` and the numbers after it are theirs. */
  give(tasks: Held[], firstId: number): void {
    const slots = Slots.ofLength(tasks.length);
    const packed = pack(
      tasks.map((held, index) => {
        held.place(firstId + index, slots, index);
        return threadTask(held);
      }),
    );
    this.#post({ kind: 'batch', memory: slots.memory, ...packed });
    this.#held.push(...tasks);
  }

  /** Takes back a task that has not been started; false where it has. */
  revoke(held: Held): boolean {
    if (!held.revoke()) return false;
    this.#held = this.#held.filter((one) => one !== held);
    return true;
  }

  /** Takes back every task that has not been started. */
  takeBack(): Held[] {
    const back: Held[] = [];
    const kept: Held[] = [];
    for (const held of this.#held) (held.revoke() ? back : kept).push(held);
    this.#held = kept;
    return back;
  }

  /** Aborts the signal of a running task. */
  abort(held: Held, reason: string): void {
    this.#post({ kind: 'abort', id: held.id, reason });
  }

  /** Asks it to end when its running task has. */
  leave(): void {
    this.#ending = true;
    this.#post({ kind: 'exit' });
  }

  /** Resolves once the thread is gone. */
  gone(): Promise<void> {
    return this.#gone;
  }

  /**
   * Ends the thread now, whatever it does. Nothing more is heard of it: the caller answers for the tasks in `tasks`,
   * having taken back the others. A call into native code cannot be interrupted: the thread is then gone only later.
   */
  terminate(): void {
    this.#ending = true;
    this.#dead = true;
    this.#held = [];
    void this.#worker.terminate();
  }

  #post(message: ToThread): void {
    if (!this.#dead) this.#worker.postMessage(message);
  }

  #receive(message: FromThread): void {
    // A module, or a library of it, may post to the same port: what is not ours would be settled for ever in vain.
    if (this.#dead || !isWellFormed(message)) return;
    switch (message.kind) {
      case 'ready':
        this.#ready = true;
        this.#handlers.ready(this);
        break;
      case 'line':
        this.#handlers.line(message.line);
        break;
      case 'retiring':
        this.#ending = true;
        this.#handlers.retiring(this);
        break;
      case 'progress': {
        const held = this.#first(message.id);
        if (held) this.#handlers.progress(held, message.at, message.percent, message.message);
        break;
      }
      case 'child': {
        const { id, call, json } = message;
        const held = this.#first(id);
        if (!held) break;
        this.#handlers.child(this, held, json, (answer) => {
          if (this.#first(id)) this.#post({ kind: 'child', id, call, ...answer });
        });
        break;
      }
      default: {
        const held = this.#first(message.id);
        if (!held) return;
        if (message.kind === 'failed' && message.crash) this.#ending = true;
        this.#held.shift();
        this.#handlers.ended(this, held, message);
      }
    }
  }

  /** The first task, if it is the one of that number: tasks run in order and revoked ones are no longer held. */
  #first(id: number): Held | null {
    const first = this.#held[0];
    return first?.id === id ? first : null;
  }

  #exited(code: number): void {
    if (this.#dead) return;
    this.#dead = true;
    this.#ending = true;
    const waiting = this.takeBack();
    const [running] = this.#held;
    this.#held = [];
    if (running && running.state() !== WAITING) {
      this.#handlers.ended(this, running, {
        kind: 'failed',
        at: Date.now(),
        crash: true,
        ...this.#cause(code),
      });
    }
    this.#handlers.exited(this, waiting);
  }

  /** Of an end that the thread could not tell of itself. */
  #cause(exitCode: number): { code: TaskErrorCode; message: string } {
    const error = this.#error as NodeJS.ErrnoException | null;
    if (error?.code === 'ERR_WORKER_OUT_OF_MEMORY') {
      return {
        code: 'OUT_OF_MEMORY',
        message: `algorithm ran out of memory: the limit is ${this.#memoryMb} MB`,
      };
    }
    if (error) return { code: 'ALGORITHM_ERROR', message: `algorithm crashed: ${error.message}` };
    return { code: 'EXITED', message: `algorithm exited with code ${exitCode}` };
  }
}

function threadTask({ id, path, task }: Held): ThreadTask {
  return {
    id,
    path,
    algorithmName: task.algorithmName,
    jobId: task.jobId,
    taskId: task.taskId,
    nodeName: task.nodeName,
    pipelineName: task.pipelineName,
    batchIndex: task.batchIndex,
    attempt: task.attempt,
    source: task.source,
    extraData: task.extraData,
  };
}
