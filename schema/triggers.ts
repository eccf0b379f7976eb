import type { CronState } from '../src/store.js';
import { builder } from './builder.js';
import { connection } from './connection.js';
import { JobConnection } from './job.js';
import { JobRef, PipelineRef } from './refs.js';

const PipelineCronRef = builder.objectRef<CronState>('PipelineCron').implement({
  description: 'How a stored pipeline is run by the clock.',
  fields: (t) => ({
    pattern: t.exposeString('pattern', { description: 'Its cron pattern.' }),
    timeZone: t.exposeString('timeZone', { description: 'The time zone it is read in.' }),
    enabled: t.boolean({
      description: 'Whether it is on.',
      resolve: ({ nextRunAt }) => nextRunAt !== null,
    }),
    nextRunAt: t.expose('nextRunAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it runs next; null: it is off.',
    }),
    lastRunAt: t.expose('lastRunAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was last to run, whatever came of it; null: never yet.',
    }),
    lastJob: t.field({
      authScopes: { scope: 'READ' },
      type: JobRef,
      nullable: true,
      description: 'The newest job that it has submitted; null: none, or it has been removed.',
      resolve: ({ lastJobId }, _args, { loaders }) =>
        lastJobId === null ? null : loaders.job.load(lastJobId),
    }),
    lastError: t.exposeString('lastError', {
      nullable: true,
      description: 'Why its last run could not be submitted; null where it was.',
    }),
  }),
});

builder.objectFields(PipelineRef, (t) => ({
  cron: t.field({
    authScopes: { scope: 'READ' },
    type: PipelineCronRef,
    nullable: true,
    description: 'How it is run by the clock; null where its descriptor has no `triggers.cron`.',
    resolve: ({ name }, _args, { store, viewer }) => store.cron(viewer.account.id, name),
  }),
  triggeredBy: t.field({
    authScopes: { scope: 'READ' },
    type: ['String'],
    description: 'Names of the pipelines whose completed runs run this one.',
    resolve: ({ name }, _args, { store, viewer }) => store.triggerSources(viewer.account.id, name),
  }),
  triggers: t.field({
    authScopes: { scope: 'READ' },
    type: ['String'],
    description: 'Names of the stored pipelines that completed runs of this one run.',
    resolve: ({ name }, _args, { store, viewer }) => store.triggerTargets(viewer.account.id, name),
  }),
  triggerError: t.exposeString('triggerError', {
    authScopes: { scope: 'READ' },
    nullable: true,
    description:
      'Why the last run that it was owed by another pipeline could not be submitted; null where it was, or none was owed.',
  }),
}));

builder.objectFields(JobRef, (t) => ({
  parent: t.field({
    authScopes: { scope: 'READ' },
    type: JobRef,
    nullable: true,
    description:
      'The job whose end, or whose task, has started this one; null: none, or it has been removed.',
    resolve: ({ parentId }, _args, { loaders }) => (parentId === null ? null : loaders.job.load(parentId)),
  }),
  children: t.connection(
    {
      authScopes: { scope: 'READ' },
      type: JobRef,
      description: 'The jobs that its end, or its tasks, have started: oldest first.',
      resolve: ({ id }, args, { store, viewer }) =>
        connection(args, (page) => store.children(viewer.account.id, id, page)),
    },
    JobConnection,
  ),
}));
