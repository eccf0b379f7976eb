import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { judge } from '../support/history.js';
import { World } from '../support/world.js';

interface Changed {
  change: {
    job: { id: string; status: string; reason: string | null } | null;
    userErrors: { code: string; message: string; path: string[] }[];
  };
}

describe('a job that is paused', () => {
  let world: World;
  beforeEach(async () => {
    world = await World.open();
  });
  afterEach(() => world.close());

  const change = async (field: 'pauseJob' | 'resumeJob' | 'cancelJob', id: string) => {
    const input = `${field[0]!.toUpperCase()}${field.slice(1)}Input`;
    const query = `mutation ($input: ${input}!) { change: ${field}(input: $input) { job { id status reason } userErrors { code message path } } }`;
    return (await world.ask<Changed>(query, { input: { id } })).change;
  };
  const status = async (id: string) =>
    (await world.ask<{ job: { status: string } }>('query ($id: ID!) { job(id: $id) { status } }', { id })).job
      .status;
  /** Resolves with the events of the job up to the `count`th of a type. */
  const until = async (id: string, type: string, count = 1) => {
    const query = 'subscription ($id: ID!) { jobEvents(jobId: $id) { type sequence } }';
    const events: { type: string; sequence: number }[] = [];
    for await (const { data } of world
      .client()
      .iterate<{ jobEvents: (typeof events)[0] }>({ query, variables: { id } })) {
      events.push(data!.jobEvents);
      if (events.filter((event) => event.type === type).length === count) break;
    }
    return events;
  };
  /** Its first task ends when `finish` says so. */
  const chain = (name = 'chain') => ({
    name,
    nodes: [
      { nodeName: 'first', algorithmName: 'until', input: [join(world.folder, name)] },
      { nodeName: 'second', algorithmName: 'echo', input: ['@first'] },
    ],
  });
  const finish = (name = 'chain') => writeFile(join(world.folder, name), '');

  it('lets what runs end, starts nothing more, and goes on where it was once it is resumed', async () => {
    const id = await world.submit(chain());
    await until(id, 'TASK_ACQUIRED');
    expect(await change('pauseJob', id)).toEqual({
      job: { id, status: 'PAUSED', reason: null },
      userErrors: [],
    });
    await finish();
    await until(id, 'TASK_COMPLETED');
    await finish('other');
    // Another job goes through all that this one waits for.
    await world.ended(await world.submit(chain('other')));
    expect(await status(id)).toBe('PAUSED');
    expect((await change('resumeJob', id)).job).toMatchObject({ status: 'ACTIVE' });
    const events = await world.ended(id);
    expect(judge(events)).toEqual({ wrong: [], state: 'COMPLETED' });
    expect(events.map(({ type }) => type).filter((type) => type !== 'JOB_PROGRESS')).toEqual([
      'JOB_PENDING',
      'JOB_ACTIVE',
      'TASK_ACQUIRED',
      'JOB_PAUSED',
      'TASK_COMPLETED',
      'JOB_RESUMED',
      'TASK_ACQUIRED',
      'TASK_COMPLETED',
      'JOB_COMPLETED',
    ]);
    const { job } = await world.ask<{ job: { results: { nodes: { result: unknown }[] } } }>(
      'query ($id: ID!) { job(id: $id) { results { nodes { result } } } }',
      { id },
    );
    expect(job.results.nodes).toEqual([{ result: ['seen'] }]);
  });

  it('ends where what runs was all that was left of it', async () => {
    const id = await world.submit({
      name: 'one',
      nodes: [{ nodeName: 'a', algorithmName: 'until', input: [join(world.folder, 'one')] }],
    });
    await until(id, 'TASK_ACQUIRED');
    expect((await change('pauseJob', id)).job).toMatchObject({ status: 'PAUSED' });
    await finish('one');
    expect(judge(await world.ended(id))).toEqual({ wrong: [], state: 'COMPLETED' });
  });

  it('is stopped like any other', async () => {
    const id = await world.submit(chain());
    await until(id, 'TASK_ACQUIRED');
    await change('pauseJob', id);
    expect((await change('cancelJob', id)).job).toEqual({
      id,
      status: 'CANCELLED',
      reason: 'stopped due to request',
    });
    expect(judge(await world.ended(id))).toEqual({ wrong: [], state: 'CANCELLED' });
  });

  it("is not paused twice, nor resumed twice, nor after its end: refused in HKube's words", async () => {
    const id = await world.submit(chain());
    await until(id, 'TASK_ACQUIRED');
    const refused = (message: string) => ({
      job: null,
      userErrors: [{ code: 'NOT_ALLOWED_IN_STATE', message, path: ['input', 'id'] }],
    });
    const unable = (verb: string, word: string) =>
      refused(`unable to ${verb} pipeline chain because its in ${word} status`);
    expect(await change('resumeJob', id)).toEqual(unable('resume', 'active'));
    await change('pauseJob', id);
    expect(await change('pauseJob', id)).toEqual(unable('pause', 'paused'));
    await change('cancelJob', id);
    expect(await change('pauseJob', id)).toEqual(unable('pause', 'stopped'));
    expect(await change('resumeJob', id)).toEqual(unable('resume', 'stopped'));
    const unknown = `chain:${'0'.repeat(8)}-0000-7000-8000-${'0'.repeat(12)}`;
    expect((await change('pauseJob', unknown)).userErrors).toMatchObject([{ code: 'NOT_FOUND' }]);
  });

  it('tells its webhooks so, at the level info', async () => {
    const receiver = await world.receiver();
    const progress = async (level?: string) => {
      const name = `of-${level ?? 'default'}`;
      const url = `${receiver.url}/${name}`;
      const options = level === undefined ? {} : { progressVerbosityLevel: level };
      const id = await world.submit({
        ...chain(name),
        options,
        webhooks: { progress: url, result: `${url}-end` },
      });
      await until(id, 'TASK_ACQUIRED');
      await change('pauseJob', id);
      await change('resumeJob', id);
      await change('pauseJob', id);
      await change('cancelJob', id);
      await receiver.received(1, `/${name}-end`);
      return receiver.calls
        .filter(({ path }) => path === `/${name}`)
        .map(({ json }) => [json['status'], json['level']]);
    };
    const told = ['pending', 'active', 'paused', 'resumed', 'paused', 'stopped'];
    expect(await progress()).toEqual(told.map((status) => [status, 'info']));
    expect(await progress('error')).toEqual([]);
  });
});
