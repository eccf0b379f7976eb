import { Calls } from './calls.js';
import type { AlgorithmApi, AlgorithmArgs } from './contract.js';
import type { FromThread, ThreadTask } from './messages.js';
import type { Progress } from './progress.js';

/** A task while its code runs, inside the thread. */
export class Running implements AlgorithmApi {
  readonly task: ThreadTask;
  readonly reports: Progress;
  readonly progress: AlgorithmApi['progress'];
  /** Jobs that it has asked for. */
  readonly calls: Calls;
  readonly startAlgorithm: AlgorithmApi['startAlgorithm'];
  readonly startStoredSubpipeline: AlgorithmApi['startStoredSubpipeline'];
  readonly startRawSubpipeline: AlgorithmApi['startRawSubpipeline'];
  #controller: AbortController | null = null;
  #abortReason: Error | null = null;

  constructor(task: ThreadTask, reports: Progress, post: (message: FromThread) => void) {
    this.task = task;
    this.reports = reports;
    this.progress = (percent, message) => reports.report(percent, message);
    const calls = new Calls((call, json) => post({ kind: 'child', id: task.id, call, json }));
    this.calls = calls;
    this.startAlgorithm = (name, input = [], includeResult = true) =>
      calls.make({ request: { kind: 'algorithm', name, input }, includeResult });
    this.startStoredSubpipeline = (name, flowInput = {}, includeResult = true) =>
      calls.make({ request: { kind: 'stored', name, flowInput }, includeResult });
    this.startRawSubpipeline = (
      name,
      nodes,
      flowInput = {},
      options = {},
      webhooks = {},
      includeResult = true,
    ) => calls.make({ request: { kind: 'raw', name, nodes, flowInput, options, webhooks }, includeResult });
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
    this.calls.end(this.#abortReason);
  }

  args(input: unknown[], extraData: unknown): AlgorithmArgs {
    const { task, progress, startAlgorithm, startStoredSubpipeline, startRawSubpipeline } = this;
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
      startAlgorithm,
      startStoredSubpipeline,
      startRawSubpipeline,
      get signal() {
        return signal();
      },
    };
  }
}
