import type { NodeStatus } from '../src/job.js';
import type { Task } from '../src/task.js';
import { builder } from './builder.js';
import { connection, emptyConnection } from './connection.js';
import { described } from './enum.js';
import { given } from './input.js';
import { ProgressRef } from './progress.js';
import { JobNodeRef, TaskRef } from './refs.js';
import { TaskConnection, TaskFilterInput } from './task.js';

const NodeStatusEnum = builder.enumType('NodeStatus', {
  description: 'Where a node of a job stands.',
  values: described<NodeStatus>({
    WAITING: 'Waits for the nodes it depends on.',
    ACTIVE: 'Its tasks are waiting or running.',
    SUCCEEDED: 'All its tasks have ended, and not too many of them failed.',
    FAILED: 'Failed, and the job with it.',
    SKIPPED: 'Had nothing to do: an empty batch, or a node it depends on was skipped.',
    CANCELLED: 'The job ended before it did.',
  }),
});

JobNodeRef.implement({
  description: 'A node of a job: one algorithm, run once or for each item of a batch.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its name in the descriptor.' }),
    algorithmName: t.exposeString('algorithmName', {
      description: 'The algorithm it runs; of a node of kind pipeline, the stored pipeline.',
    }),
    status: t.expose('status', { type: NodeStatusEnum, description: 'Where it stands.' }),
    dependsOn: t.exposeStringList('dependsOn', { description: 'Names of the nodes whose results it takes.' }),
    progress: t.expose('progress', { type: ProgressRef, description: 'How far it is.' }),
    tasks: t.connection(
      {
        authScopes: { scope: 'READ' },
        type: TaskRef,
        description: 'Its tasks, in the order of the batch.',
        args: { filter: t.arg({ type: TaskFilterInput, description: 'Only tasks that match.' }) },
        resolve: ({ jobId, name, index }, { filter, ...args }, { store, viewer }) => {
          const { nodeNames, ...rest } = given(filter);
          if (nodeNames && !nodeNames.includes(name)) return emptyConnection<Task>(args);
          return connection(args, (page) =>
            store.tasks(viewer.account.id, jobId, { ...rest, node: index }, page),
          );
        },
      },
      TaskConnection,
    ),
  }),
});
