import type { GraphQLSchema } from 'graphql';
import './scalars.js';
import './account.js';
import './algorithm.js';
import './api-key.js';
import './delivery.js';
import './descriptor.js';
import './event.js';
import './feed.js';
import './job.js';
import './job-control.js';
import './job-node.js';
import './limit.js';
import './pipeline.js';
import './progress.js';
import './rerun.js';
import './result.js';
import './stored-pipeline.js';
import './task.js';
import './triggers.js';
import './user-error.js';
import './webhook.js';
import './webhook-changes.js';
import { builder } from './builder.js';

/** The GraphQL API. Each file of this folder defines the types of one noun; this puts them together. */
export function createSchema(): GraphQLSchema {
  return builder.toSchema();
}
