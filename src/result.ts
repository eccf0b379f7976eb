/**
 * One item of a job's result list: each leaf node (and each with includeInResults), in the order of the descriptor,
 * then of the batch. A skipped leaf gives one item with `batchIndex` -1 and neither result nor error.
 */
export interface ResultItem {
  nodeName: string;
  /** 1-based; null outside a batch. */
  batchIndex: number | null;
  algorithmName: string;
  /** The result as JSON text: assembled, signed and sent without being parsed. */
  resultJson: string | null;
  error: string | null;
}

/** Results of an ended job up to a size; `items` is null above it. */
export interface ResultList {
  items: ResultItem[] | null;
  bytes: number;
}

/** The largest result of a task, as JSON. */
export const MAX_TASK_RESULT_BYTES = 4 * 1024 * 1024;

/** An item as HKube 2.x writes it in lists of results. */
export function resultItemJson({
  nodeName,
  batchIndex,
  algorithmName,
  resultJson,
  error,
}: ResultItem): string {
  const head = JSON.stringify({ nodeName, ...(batchIndex !== null && { batchIndex }), algorithmName }).slice(
    0,
    -1,
  );
  if (error !== null) return `${head},"error":${JSON.stringify(error)}}`;
  // A skipped leaf has neither.
  return resultJson === null ? `${head}}` : `${head},"result":${resultJson}}`;
}
