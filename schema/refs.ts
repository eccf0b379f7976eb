import type { Account, ApiKey } from '../src/account.js';
import type { Delivery, DeliveryAttempt } from '../src/delivery.js';
import type { AlgorithmInfo } from '../src/engine/engine.js';
import type { LoggedEvent } from '../src/event.js';
import type { Job, JobNode } from '../src/job.js';
import type { Pipeline, PipelineVersion } from '../src/pipeline.js';
import type { ResultItem } from '../src/result.js';
import type { Task } from '../src/task.js';
import type { Webhook } from '../src/webhook.js';
import { builder } from './builder.js';

// The types of the graph point at each other. Declared in one place and implemented in the file of their noun, they
// can be named before they are known.
export const AccountRef = builder.objectRef<Account>('Account');
export const ApiKeyRef = builder.objectRef<ApiKey>('ApiKey');
export const AlgorithmRef = builder.objectRef<AlgorithmInfo>('Algorithm');
export const JobRef = builder.objectRef<Job>('Job');
export const JobNodeRef = builder.objectRef<JobNode>('JobNode');
export const PipelineRef = builder.objectRef<Pipeline>('Pipeline');
export const PipelineVersionRef = builder.objectRef<PipelineVersion>('PipelineVersion');
export const TaskRef = builder.objectRef<Task>('Task');
export const ResultRef = builder.objectRef<ResultItem>('Result');
export const EventRef = builder.interfaceRef<LoggedEvent>('Event');
export const WebhookRef = builder.objectRef<Webhook>('Webhook');
export const DeliveryRef = builder.objectRef<Delivery>('Delivery');
export const DeliveryAttemptRef = builder.objectRef<DeliveryAttempt>('DeliveryAttempt');
