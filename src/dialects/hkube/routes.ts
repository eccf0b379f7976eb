import type { Dialect } from '../../dialect.js';
import { controlRoutes } from './control.js';
import { cronRoutes } from './cron.js';
import { execRoutes } from './exec.js';
import { graphRoutes } from './graph.js';
import { type HkubeParts, Shapes } from './jobs.js';
import { listRoutes } from './lists.js';
import { readingRoutes } from './reading.js';
import { searchRoutes } from './search.js';
import { hkubeStatus } from './status.js';
import { storeAlgorithmRoutes } from './store-algorithms.js';
import { storePipelineRoutes } from './store-pipelines.js';
import { treeRoutes } from './trees.js';
import { webhookRoutes } from './webhooks.js';

/** HKube's REST API, `/api/v1`; docs/hkube.md tells what of it is the same, differs and is refused. */
export function hkubeDialect(parts: HkubeParts): Dialect {
  const shapes = new Shapes(parts.store);
  return {
    prefix: '/api/v1',
    routes: [
      ...execRoutes(parts),
      ...controlRoutes(parts),
      ...readingRoutes(parts, shapes),
      ...searchRoutes(parts),
      ...listRoutes(parts, shapes),
      ...treeRoutes(parts),
      ...cronRoutes(parts),
      ...storePipelineRoutes(parts),
      ...storeAlgorithmRoutes(parts),
      ...graphRoutes(parts),
      ...webhookRoutes(parts),
    ],
    words: { 404: 'Not Found', 405: 'Method Not Allowed', 429: 'Too Many Requests' },
    statusOf: hkubeStatus,
    refusal: (code, message) => ({ error: { code, message } }),
  };
}
