import { AsyncLocalStorage } from 'node:async_hooks';
import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../clock.js';
import { type Algorithm, loadAlgorithm } from './contract.js';
import type { FromThread, LogLine, ThreadSettings, ThreadTask, ToThread } from './messages.js';
import { Output } from './output.js';
import { readExtraData, readInput, TaskFailure, thrownMessage, writeResult } from './payload.js';
import { Progress } from './progress.js';
import { Running } from './running.js';
import { Slots } from './slots.js';
import { unpack } from './texts.js';

/**
 * Runs tasks inside a worker thread, one at a time, in the order they came. Every outcome is posted before the next
 * task starts: no result waits behind code that may never end.
 *
 * What a module leaves behind (a timer, a promise) may fail after its task has ended and while another runs. The
 * async context tells whose it was: only the task that caused it fails; then the thread ends and is replaced.
 */
class AlgorithmThread {
  readonly #port: MessagePort;
  readonly #settings: ThreadSettings;
  readonly #output: Output;
  readonly #exit: (code: number) => never;
  readonly #owner = new AsyncLocalStorage<Running>();
  readonly #algorithms = new Map<string, Algorithm>();
  readonly #queue: { task: ThreadTask; slots: Slots; index: number }[] = [];
  #running: Running | null = null;
  #last: Running | null = null;
  #draining = false;
  #ending = false;
  #leaving = false;

  constructor(port: MessagePort, settings: ThreadSettings) {
    this.#port = port;
    this.#settings = settings;
    this.#output = new Output(systemClock, (line) => this.#post({ kind: 'line', line }));
    this.#exit = process.exit.bind(process);
  }

  listen(): void {
    this.#takeOver('stdout');
    this.#takeOver('stderr');
    process.exit = (code) => this.#exitCalled(Number(code ?? process.exitCode ?? 0));
    process.on('uncaughtException', (error) => this.#escaped('uncaught exception', error));
    process.on('unhandledRejection', (reason) => this.#escaped('unhandled rejection', reason));
    this.#port.on('message', (message: ToThread) => this.#receive(message));
    this.#post({ kind: 'ready' });
  }

  #post(message: FromThread): void {
    this.#port.postMessage(message);
  }

  #receive(message: ToThread): void {
    if (message.kind === 'batch') {
      const slots = new Slots(message.memory);
      for (const [index, packed] of message.tasks.entries())
        this.#queue.push({ task: unpack(packed, message.texts), slots, index });
      void this.#drain();
    } else if (message.kind === 'abort') {
      const running = this.#running;
      if (running?.task.id === message.id) void this.#abort(running, message.reason);
    } else if (message.kind === 'child') {
      const running = this.#running;
      if (running?.task.id === message.id) running.calls.answer(message.call, message);
    } else {
      this.#ending = true;
      if (!this.#running) void this.#leave();
    }
  }

  async #drain(): Promise<void> {
    if (this.#draining) return;
    this.#draining = true;
    for (let next = this.#queue.shift(); next && !this.#ending; next = this.#queue.shift()) {
      const { task, slots, index } = next;
      if (!slots.start(index, Date.now())) continue;
      const reports = new Progress(systemClock, (report) =>
        this.#post({ kind: 'progress', id: task.id, at: Date.now(), ...report }),
      );
      this.#running = this.#last = new Running(task, reports, (message) => this.#post(message));
      // Awaited only where the code is asynchronous: short synchronous tasks run without a promise.
      const outcome = this.#run(this.#running);
      const message = outcome instanceof Promise ? await outcome : outcome;
      this.#output.flush(writerOf(this.#running));
      reports.finish();
      this.#running = null;
      this.#post(message);
      slots.finish(index);
    }
    this.#draining = false;
    if (this.#ending) await this.#leave();
  }

  #run(running: Running): FromThread | Promise<FromThread> {
    const { task } = running;
    const algorithm = this.#algorithms.get(task.path);
    if (!algorithm || algorithm.init) return this.#runSlowly(running);
    try {
      const returned = this.#owner.run(running, () => this.#start(running, algorithm));
      return isThenable(returned) ? this.#settle(running, returned) : this.#done(running, returned);
    } catch (thrown) {
      return failed(running, thrown);
    }
  }

  async #runSlowly(running: Running): Promise<FromThread> {
    try {
      const value = await this.#owner.run(running, async () => {
        const algorithm = await this.#load(running.task);
        return this.#start(running, algorithm, true);
      });
      return this.#done(running, value);
    } catch (thrown) {
      return failed(running, thrown);
    }
  }

  async #settle(running: Running, returned: PromiseLike<unknown>): Promise<FromThread> {
    try {
      return this.#done(running, await returned);
    } catch (thrown) {
      return failed(running, thrown);
    }
  }

  #start(running: Running, algorithm: Algorithm, withInit = false): unknown {
    const { task } = running;
    const input = readInput(task.source, this.#settings.maxInputBytes);
    const args = running.args(input, readExtraData(task.extraData));
    if (!withInit || !algorithm.init) return algorithm.start(args, running);
    return (async () => {
      await algorithm.init?.(args);
      return algorithm.start(args, running);
    })();
  }

  async #load({ algorithmName, path }: ThreadTask): Promise<Algorithm> {
    const algorithm = this.#algorithms.get(path) ?? (await loadAlgorithm(algorithmName, path));
    this.#algorithms.set(path, algorithm);
    return algorithm;
  }

  #done(running: Running, value: unknown): FromThread {
    const result = writeResult(value, this.#settings.maxResultBytes);
    return { kind: 'done', id: running.task.id, at: Date.now(), result };
  }

  async #abort(running: Running, reason: string): Promise<void> {
    const algorithm = this.#algorithms.get(running.task.path);
    if (running.aborted) return;
    try {
      await this.#owner.run(running, () => {
        running.abort(reason);
        return algorithm?.stop?.();
      });
    } catch (thrown) {
      // The task is over in any case: its own end, or the end of its thread, is what counts.
      this.#output.write('stderr', `stop failed: ${thrownMessage(thrown)}\n`, writerOf(running));
    }
  }

  /** An exception or rejection that no code of the module caught. */
  #escaped(what: string, thrown: unknown): void {
    // Where the context was lost, the running task is the likelier cause: left alone it might wait for ever.
    const owner = this.#owner.getStore() ?? this.#running;
    const text = `${what}: ${thrownMessage(thrown)}`;
    if (owner && owner === this.#running) {
      this.#crash(owner, 'ALGORITHM_ERROR', text);
      this.#exit(1);
    }
    if (owner) this.#output.write('stderr', `after the end of the task: ${text}\n`, writerOf(owner));
    this.#retire();
  }

  #exitCalled(code: number): never {
    const running = this.#running;
    const owner = this.#owner.getStore() ?? running;
    if (running && owner !== running) {
      // The thread goes once the innocent task has ended; this unwinds the caller meanwhile.
      this.#retire();
      throw new Error(`process.exit(${code}) was called`);
    }
    if (running) this.#crash(running, 'EXITED', `algorithm exited with code ${code}`);
    return this.#exit(code);
  }

  #crash(running: Running, code: 'ALGORITHM_ERROR' | 'EXITED', message: string): void {
    this.#ending = true;
    this.#output.flush(writerOf(running));
    running.reports.finish();
    this.#running = null;
    this.#post({ kind: 'failed', id: running.task.id, at: Date.now(), code, message, crash: true });
  }

  #retire(): void {
    if (this.#ending) return;
    this.#ending = true;
    this.#post({ kind: 'retiring' });
    if (!this.#running) void this.#leave();
  }

  async #leave(): Promise<void> {
    if (this.#leaving) return;
    this.#leaving = true;
    for (const { exit } of this.#algorithms.values()) {
      try {
        await exit?.();
      } catch (thrown) {
        if (this.#last) {
          this.#output.write('stderr', `exit failed: ${thrownMessage(thrown)}\n`, writerOf(this.#last));
        }
      }
    }
    if (this.#last) this.#output.flush(writerOf(this.#last));
    this.#exit(0);
  }

  /** Lines are cut here rather than on the main thread: they know their task, and a busy loop's output gets out. */
  #takeOver(stream: LogLine['stream']): void {
    const write = (chunk: unknown, encoding?: unknown, callback?: unknown): boolean => {
      const writer = this.#owner.getStore() ?? this.#running ?? this.#last;
      const text = chunk instanceof Uint8Array ? Buffer.from(chunk).toString() : String(chunk);
      if (writer) this.#output.write(stream, text, writerOf(writer));
      const written = typeof encoding === 'function' ? encoding : callback;
      if (typeof written === 'function') process.nextTick(written as () => void);
      return true;
    };
    process[stream].write = write;
  }
}

function failed(running: Running, thrown: unknown): FromThread {
  const code = thrown instanceof TaskFailure ? thrown.code : 'ALGORITHM_ERROR';
  const message = thrownMessage(thrown);
  return { kind: 'failed', id: running.task.id, at: Date.now(), code, message, crash: false };
}

function writerOf({ task }: Running): Pick<LogLine, 'algorithm' | 'taskId'> {
  return { algorithm: task.algorithmName, taskId: task.taskId };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return false;
  return typeof (value as { then?: unknown }).then === 'function';
}

/** The entry of a module's thread; imported anywhere else, this file does nothing. */
const settings = workerData as ThreadSettings | null;
if (!isMainThread && parentPort && settings?.kind === 'carillon-module-thread') {
  new AlgorithmThread(parentPort, settings).listen();
}
