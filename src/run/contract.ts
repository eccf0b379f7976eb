import { pathToFileURL } from 'node:url';
import { TaskFailure, thrownMessage } from './payload.js';

/** The second argument of `start`. */
export interface AlgorithmApi {
  /** `percent` from 0 to 100. May be called as often as one likes. */
  progress(percent?: number, message?: string): void;
  /** Aborts when the task times out, its job ends or the server stops; 1 s later the thread is ended. */
  readonly signal: AbortSignal;
  /**
   * Runs an algorithm as a job of its own, with these arguments. Resolves with the job's results once it has ended,
   * with null where they are not wanted; rejects with what the job has failed with, or why it was refused or stopped.
   */
  startAlgorithm(algorithmName: string, input?: unknown[], includeResult?: boolean): ChildResults;
  /** The same of a stored pipeline. `flowInput` is merged into the stored one. */
  startStoredSubpipeline(pipelineName: string, flowInput?: object, includeResult?: boolean): ChildResults;
  /** The same of a pipeline as it is given here. */
  startRawSubpipeline(
    pipelineName: string,
    nodes: object[],
    flowInput?: object,
    options?: object,
    webhooks?: object,
    includeResult?: boolean,
  ): ChildResults;
}

/** The results of a job as HKube 2.x lists them. */
export type ChildResults = Promise<
  { nodeName: string; batchIndex?: number; algorithmName: string; result?: unknown; error?: string }[] | null
>;

/** The argument of `init` and the first of `start`. */
export interface AlgorithmArgs extends AlgorithmApi {
  input: unknown[];
  jobId: string;
  taskId: string;
  nodeName: string;
  pipelineName: string;
  algorithmName: string;
  /** Counts from 1; absent outside a batch. */
  batchIndex?: number;
  attempt: number;
  info: { extraData: unknown };
}

/** What a module exports, by name or as its default. All but `start` may be missing. */
export interface Algorithm {
  /** What it returns, or resolves to, is the result: any JSON. What it throws fails the task. */
  start(args: AlgorithmArgs, api: AlgorithmApi): unknown;
  /** Before each `start`. */
  init?(args: AlgorithmArgs): unknown;
  /** When the running task is to stop, after its signal has aborted. */
  stop?(): unknown;
  /** Before the thread ends. */
  exit?(): unknown;
}

/** Imports a module: only ever inside a thread. Throws a TaskFailure: cannot be loaded, or has no `start`. */
export async function loadAlgorithm(name: string, path: string): Promise<Algorithm> {
  let exported: Record<string, unknown>;
  try {
    exported = (await import(pathToFileURL(path).href)) as Record<string, unknown>;
  } catch (error) {
    throw new TaskFailure(
      'ALGORITHM_ERROR',
      `algorithm "${name}" could not be loaded: ${thrownMessage(error)}`,
    );
  }
  const byDefault = exported['default'];
  const methods = (typeof byDefault === 'object' && byDefault !== null ? byDefault : {}) as typeof exported;
  // Called as a method of what it was found in: a module may keep its state in `this`.
  const method = (key: string): ((...args: unknown[]) => unknown) | undefined => {
    const owner = [exported, methods].find((one) => typeof one[key] === 'function');
    const found = owner?.[key] as ((...args: unknown[]) => unknown) | undefined;
    return found && ((...args) => found.apply(owner, args));
  };
  const start = method('start') ?? (typeof byDefault === 'function' ? byDefault : undefined);
  if (!start) throw new TaskFailure('ALGORITHM_ERROR', 'unable to find mandatory method start');
  const [init, stop, exit] = [method('init') ?? method('initialize'), method('stop'), method('exit')];
  return {
    start: (args, api) => start(args, api),
    ...(init && { init }),
    ...(stop && { stop }),
    ...(exit && { exit }),
  };
}
