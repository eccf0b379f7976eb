/** Jobs that tasks start: runs of stored pipelines by nodes of kind "pipeline", and what algorithms start themselves. */

/** How deep jobs may be within jobs: a pipeline that runs itself comes to an end. */
export const MAX_DEPTH = 16;

/** Runs that the pipeline nodes of one job have under way at once; also the jobs of one task of an algorithm. */
export const MAX_OPEN_CHILDREN = 100;

/** The largest input of a task that is a run of a stored pipeline, as JSON: it is read by the server itself. */
export const MAX_CHILD_INPUT_BYTES = 2 * 1024 * 1024;

/** HKube's words to a job whose parent has ended; `failure` is what its task has failed with, if it has. */
export function endedParentReason(failure: string | null): string {
  return failure === null ? 'parent pipeline exit' : `parent algorithm failed: ${failure}`;
}

/** Why a job so deep is refused. */
export function tooDeepSentence(depth: number): string {
  return `pipelines may run in pipelines at most ${MAX_DEPTH} deep, got ${depth}: see whether one of them runs itself`;
}

/** A job that the code of a task asks for, in the words of HKube's API. */
export type ChildRequest =
  | { kind: 'algorithm'; name: unknown; input: unknown }
  | { kind: 'stored'; name: unknown; flowInput: unknown }
  | { kind: 'raw'; name: unknown; nodes: unknown; flowInput: unknown; options: unknown; webhooks: unknown };

/** Starts jobs for tasks that run. */
export interface ChildJobs {
  /**
   * Resolves once the job has ended, with its results as JSON, or null where they are not wanted. Rejects, with what
   * to tell the algorithm, where the job is refused, fails or is stopped. It is stopped when its task ends before it.
   */
  run(task: ChildTask, request: ChildRequest, withResults: boolean): Promise<string | null>;
}

/** The task that a job is started for. */
export interface ChildTask {
  /** Its lease. */
  token: string;
  accountId: string;
  jobId: string;
}
