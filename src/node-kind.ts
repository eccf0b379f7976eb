/** What a node of a job runs: an algorithm, a stored pipeline, or nothing but its own input. */
export const nodeKinds = ['algorithm', 'pipeline', 'output'] as const;
export type NodeKind = (typeof nodeKinds)[number];

/** The queue of output nodes. No algorithm can have its name, so no module gets at it. */
export const OUTPUT_QUEUE = '$output';
/** The queue of pipeline nodes: their tasks are runs of stored pipelines, which no worker takes. */
export const PIPELINE_QUEUE = '$pipeline';
