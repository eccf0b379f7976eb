/** Stored pipelines of an account; refused above. */
export const MAX_PIPELINES = 1_000;
/** Versions kept of each; the oldest are removed. */
export const MAX_VERSIONS = 100;
/** Bytes of their descriptors together; the newest version is kept whatever it takes. Deleting them all is one commit. */
export const MAX_VERSION_BYTES = 8 * 1024 * 1024;

/** create refuses a name that is taken, update one that is not. */
export const saveModes = ['create', 'update', 'either'] as const;
export type SaveMode = (typeof saveModes)[number];

/** A pipeline that is stored under its name, to be run again and again. Its descriptors are read for themselves. */
export interface Pipeline {
  /** "pip_…": of this one, until it is deleted; the next of its name has another. */
  id: string;
  accountId: string;
  name: string;
  /** Of the newest descriptor: 1, 2, … */
  version: number;
  /** What that descriptor says of itself. */
  description: string | null;
  tags: string[];
  createdAt: number;
  /** When the newest version was saved. */
  modifiedAt: number;
}

/** One state of a stored pipeline's descriptor. */
export interface PipelineVersion {
  pipelineName: string;
  version: number;
  createdAt: number;
}

/** `no such pipeline`, in HKube's words. */
export function notFoundSentence(name: string): string {
  return `pipeline ${name} Not Found`;
}
