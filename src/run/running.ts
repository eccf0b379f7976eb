import type { AlgorithmApi, AlgorithmArgs } from './contract.js';
import type { ThreadTask } from './messages.js';
import type { Progress } from './progress.js';

/** A task while its code runs, inside the thread. */
export class Running implements AlgorithmApi {
  readonly task: ThreadTask;
  readonly reports: Progress;
  readonly progress: AlgorithmApi['progress'];
  #controller: AbortController | null = null;
  #abortReason: Error | null = null;

  constructor(task: ThreadTask, reports: Progress) {
    this.task = task;
    this.reports = reports;
    this.progress = (percent, message) => reports.report(percent, message);
  }

  /** Made when it is first asked for: most algorithms never look, and a controller costs more than a short task. */
  get signal(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#abortReason) this.#controller.abort(this.#abortReason);
    return this.#controller.signal;
  }

  get aborted(): boolean {
    return this.#abortReason !== null;
  }

  abort(reason: string): void {
    this.#abortReason ??= new Error(reason);
    this.#controller?.abort(this.#abortReason);
  }

  args(input: unknown[], extraData: unknown): AlgorithmArgs {
    const { task, progress } = this;
    const signal = () => this.signal;
    return {
      input,
      jobId: task.jobId,
      taskId: task.taskId,
      nodeName: task.nodeName,
      pipelineName: task.pipelineName,
      algorithmName: task.algorithmName,
      ...(task.batchIndex !== null && { batchIndex: task.batchIndex }),
      attempt: task.attempt,
      info: { extraData },
      progress,
      get signal() {
        return signal();
      },
    };
  }
}
