import type { ChildRequest } from '../child.js';
import { type TaskErrorCode, taskErrorCodes } from '../job.js';
import type { InputSource } from '../reference.js';
import type { PackedTask } from './texts.js';

/** What a module's thread needs to know of a task. `id` counts hand-overs: unique in a pool. */
export interface ThreadTask {
  id: number;
  algorithmName: string;
  path: string;
  jobId: string;
  taskId: string;
  nodeName: string;
  pipelineName: string;
  batchIndex: number | null;
  attempt: number;
  source: InputSource;
  extraData: string | null;
}

/** `workerData` of a module's thread. */
export interface ThreadSettings {
  kind: 'carillon-module-thread';
  maxInputBytes: number;
  maxResultBytes: number;
}

export type ToThread =
  /** Run these one after the other; `memory` has a slot for each, see slots.ts, and `texts` what they share. */
  | { kind: 'batch'; memory: SharedArrayBuffer; texts: string[]; tasks: PackedTask[] }
  /** Abort the signal of this task, if it is the running one. */
  | { kind: 'abort'; id: number; reason: string }
  /** What became of a job that this task has asked for, if it still runs. */
  | ({ kind: 'child'; id: number; call: number } & ChildAnswer)
  /** Call the modules' `exit` and end. */
  | { kind: 'exit' };

export type FromThread =
  | { kind: 'ready' }
  | { kind: 'done'; id: number; at: number; result: string }
  /** With `crash` the thread ends next. */
  | { kind: 'failed'; id: number; at: number; code: TaskErrorCode; message: string; crash: boolean }
  | { kind: 'progress'; id: number; at: number; percent: number | null; message: string | null }
  /** The running task asks for a job: `json` holds a ChildCall. `call` counts them. */
  | { kind: 'child'; id: number; call: number; json: string }
  /** Starts nothing more and ends once its running task has. */
  | { kind: 'retiring' }
  | { kind: 'line'; line: LogLine };

/** Whether it is one of ours: what a module posts to the port by itself may be anything. */
export function isWellFormed(message: unknown): message is FromThread {
  if (typeof message !== 'object' || message === null) return false;
  const { kind, id, at, ...rest } = message as Record<string, unknown>;
  const ofTask = Number.isSafeInteger(id);
  const timed = ofTask && Number.isFinite(at);
  const { result, code, percent, call, json, line, message: text } = rest;
  switch (kind) {
    case 'ready':
    case 'retiring':
      return true;
    case 'done':
      return timed && typeof result === 'string';
    case 'failed':
      return timed && typeof text === 'string' && taskErrorCodes.some((one) => one === code);
    case 'progress':
      return (
        timed && (percent === null || Number.isFinite(percent)) && (text === null || typeof text === 'string')
      );
    case 'child':
      return ofTask && Number.isSafeInteger(call) && typeof json === 'string';
    case 'line':
      return typeof line === 'object' && line !== null;
    default:
      return false;
  }
}

/** A job that a task asks for. */
export interface ChildCall {
  request: ChildRequest;
  includeResult: boolean;
}
/** Its results as JSON text, null where they are not wanted; or what to tell the code. */
export type ChildAnswer = { results: string | null } | { problem: string };

/** One line that a module has printed. */
export interface LogLine {
  algorithm: string;
  taskId?: string;
  stream: 'stdout' | 'stderr';
  line: string;
}
