import { expect, test } from 'vitest';
import { eventId } from '../../src/event.js';
import { decodeCursor, encodeCursor } from '../../src/feed.js';
import type { JobNode } from '../../src/job.js';
import type { ResultItem } from '../../src/result.js';
import type { EventPage } from '../../src/store.js';
import type { Task } from '../../src/task.js';
import { ACCOUNT, api, event, job } from '../support/api.js';

test('an unknown job is null', async () => {
  const { ask } = api({ store: { job: async () => null } });
  expect(await ask('{ job(id: "batch:none") { id } }')).toEqual({ data: { job: null } });
});

test('node and nodes find each kind by its plain id, and answer null for what is not there', async () => {
  const { ask } = api({
    store: {
      job: async (_account, id) => (id === job(1).id ? job(1) : null),
      webhook: async () => null,
      account: async () => ({ ...ACCOUNT }),
      apiKey: async () => null,
    },
  });
  const answer = await ask('query ($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }', {
    ids: [job(1).id, 'acc_1', 'acc_2', 'wh_1', 'key_1', 'evt_1_1_1', 'nonsense', 'wh_x:018f'],
  });
  expect(answer).toEqual({
    data: {
      nodes: [
        { __typename: 'Job', id: job(1).id },
        { __typename: 'Account', id: 'acc_1' },
        ...Array.from({ length: 6 }, () => null),
      ],
    },
  });
  const tooMany = await ask('query ($ids: [ID!]!) { nodes(ids: $ids) { id } }', {
    ids: Array.from({ length: 101 }, () => 'x'),
  });
  expect(tooMany.errors?.[0]?.message).toBe('ids must hold at most 100 ids, got 101: ask in several queries');
});

test('an answer holds 8 Mi characters of stored texts, and what there is no room for is not read', async () => {
  let reads = 0;
  const { ask } = api({
    store: {
      jobs: async () => Array.from({ length: 20 }, (_, index) => job(index + 1)),
      descriptor: async () => {
        reads++;
        return JSON.stringify('x'.repeat(3 * 1024 * 1024));
      },
    },
  });
  const { data, errors } = await ask('{ jobs(first: 20) { nodes { descriptor } } }');
  expect(data).toBeNull();
  expect(errors?.[0]).toMatchObject({
    message: expect.stringMatching(/^an answer must hold at most 8388608 characters of descriptors, inputs/),
    extensions: { code: 'LIMIT_REACHED' },
  });
  expect(reads).toBe(3);
  expect((await ask('{ jobs(first: 20) { nodes { id } } }')).errors).toBeUndefined();
});

test('a single text is shown however long it is, and a second is not', async () => {
  const long = 'x'.repeat(9 * 1024 * 1024);
  const { ask } = api({ store: { job: async () => job(1), descriptor: async () => JSON.stringify(long) } });
  expect((await ask('{ job(id: "x") { descriptor } }')).data).toEqual({ job: { descriptor: long } });
  const { data } = await ask('{ one: job(id: "x") { descriptor } other: job(id: "x") { descriptor } }');
  expect(data).toEqual({ one: { descriptor: long }, other: null });
});

test('lists that turn out long end the answer before all of it is read', async () => {
  let reads = 0;
  const node = (index: number): JobNode => ({
    jobId: job(1).id,
    index,
    name: `n${index}`,
    algorithmName: 'echo',
    status: 'ACTIVE',
    dependsOn: [],
    progress: job(1).progress,
  });
  const { ask } = api({
    store: {
      jobs: async () => Array.from({ length: 20 }, (_, index) => job(index + 1)),
      nodes: async () => Array.from({ length: 1_000 }, (_, index) => node(index)),
      tasks: async () => {
        reads++;
        return [];
      },
    },
  });
  const { data, errors } = await ask(
    '{ jobs(first: 20) { nodes { nodes { name tasks(first: 1) { nodes { id } } } } } }',
  );
  expect(data).toBeNull();
  expect(errors?.[0]).toMatchObject({
    message: expect.stringMatching(/^an answer must take at most 50000 objects to read, got more/),
    extensions: { code: 'LIMIT_REACHED' },
  });
  expect(reads).toBeGreaterThan(9_000);
  expect(reads).toBeLessThan(11_000);
  const few = await ask('{ jobs(first: 20) { nodes { nodes { name } } } }');
  expect(few.errors).toBeUndefined();
});

test('an input that refers to one result many times is measured as it would be shown', async () => {
  const inputSource = async (_account: string, id: string) => ({
    template: JSON.stringify(Array(id === 'tsk_many' ? 30 : 2).fill('@a')),
    flowInput: null,
    results: {
      a: { batch: false, json: JSON.stringify({ text: 'x'.repeat(100_000), list: [1, null, true] }) },
    },
    item: null,
  });
  const { ask } = api({ store: { inputSource, task: async (_account, id) => ({ id }) as Task } });
  const ofTask = (id: string) => ask(`{ node(id: "${id}") { ... on Task { input } } }`);
  expect((await ofTask('tsk_two')).data).toEqual({
    node: { input: Array(2).fill({ text: expect.any(String), list: [1, null, true] }) },
  });
  expect((await ofTask('tsk_many')).errors?.[0]).toMatchObject({
    message: 'input is shown up to 1048576 bytes of JSON, got more',
    extensions: { code: 'LIMIT_REACHED' },
  });
});

test('progress reads as a sentence, and the cursor of a job is the place of its newest event', async () => {
  const { ask } = api({ store: { job: async () => job(4) } });
  expect(await ask('{ job(id: "x") { cursor progress { percent details } } }')).toEqual({
    data: {
      job: {
        cursor: encodeCursor(ACCOUNT.id, 4),
        progress: { percent: 66.67, details: '66.67% completed, 2 succeed, 1 active' },
      },
    },
  });
});

test('the job of many events is read once', async () => {
  let reads = 0;
  const { ask } = api({
    store: {
      events: async () => ({ events: [event(1), event(2), event(3)], through: 3, head: 3, tail: 0 }),
      job: async () => {
        reads++;
        return job(1);
      },
    },
  });
  const { data } = await ask('{ events { nodes { job { status } } } }');
  expect(data?.['events']).toEqual({ nodes: [1, 2, 3].map(() => ({ job: { status: 'ACTIVE' } })) });
  expect(reads).toBe(1);
});

test('each event has the type of its facts', async () => {
  const task = {
    of: 'task',
    node: 0,
    item: 1,
    nodeName: 'green',
    algorithmName: 'green-alg',
    queue: 'green-alg',
    status: 'ACTIVE',
    attempt: 1,
    worker: 'w',
    acquiredAt: null,
    leaseExpiresAt: null,
    error: { code: 'EXITED', message: 'gone' },
    retryAt: null,
    percent: 50,
    message: 'half',
  } as const;
  const hook = { of: 'webhook', webhookId: 'wh_1', status: 'COOLING', reason: 'slow' } as const;
  const { ask } = api({
    store: {
      events: async () => ({
        events: [
          event(1),
          event(2, { type: 'JOB_PROGRESS' }),
          event(3, { type: 'TASK_RETRIED', facts: task }),
          event(4, { type: 'TASK_PROGRESS', facts: task }),
          event(5, { type: 'WEBHOOK_COOLING', facts: hook, job: null, sequence: null }),
        ],
        through: 5,
        head: 5,
        tail: 0,
      }),
      webhook: async () => null,
    },
  });
  const answer = await ask(`{ events { nodes {
    __typename id
    ... on JobStatusChanged { status }
    ... on TaskEvent { taskId nodeName batchId }
    ... on TaskStatusChanged { error { code nodeName taskId } }
    ... on TaskProgressed { percent message }
    ... on WebhookStatusChanged { webhookId webhook { id } status: __typename reason }
  } } }`);
  const taskId = 'tsk_018f0000000070008000000000000001_0_1';
  const about = { taskId, nodeName: 'green', batchId: 'green#1' };
  expect(answer.errors).toBeUndefined();
  expect(answer.data?.['events']).toMatchObject({
    nodes: [
      { __typename: 'JobStatusChanged', status: 'ACTIVE', id: eventId(event(1)) },
      { __typename: 'JobProgressed' },
      { __typename: 'TaskStatusChanged', ...about, error: { code: 'EXITED', nodeName: 'green', taskId } },
      { __typename: 'TaskProgressed', ...about, percent: 50, message: 'half' },
      { __typename: 'WebhookStatusChanged', webhookId: 'wh_1', webhook: null, reason: 'slow' },
    ],
  });
});

/** A log of `head` events of which those at or below `tail` are gone, and every `every`-th matches. */
function logOf(head: number, tail: number, every: number) {
  return async (_account: string, _filter: object, after: number, limit: number): Promise<EventPage> => {
    const through = Math.min(head, after + limit * 2);
    const events = [];
    for (let position = Math.max(after, tail) + 1; position <= through; position++) {
      if (position % every === 0) events.push(event(position));
    }
    return { events, through, head, tail };
  };
}

test('paging by hand goes on over pages where nothing matched, and meets every event once', async () => {
  const { ask } = api({ store: { events: logOf(50, 20, 7) } });
  const seen: number[] = [];
  let after: string | null = null;
  for (let more = true; more; ) {
    const { data } = await ask(
      'query ($after: Cursor) { events(first: 2, after: $after) { edges { cursor } pageInfo { hasNextPage endCursor } } }',
      { after },
    );
    const page = data?.['events'] as {
      edges: { cursor: string }[];
      pageInfo: { hasNextPage: boolean; endCursor: string };
    };
    seen.push(...page.edges.map(({ cursor }) => decodeCursor(cursor, ACCOUNT.id)!));
    more = page.pageInfo.hasNextPage;
    after = page.pageInfo.endCursor;
  }
  expect(seen).toEqual([21, 28, 35, 42, 49]);
});

test('a cursor older than what is kept is CURSOR_EXPIRED and comes with the oldest that is good', async () => {
  const { ask } = api({ store: { events: logOf(50, 20, 1) } });
  const at = (position: number) =>
    ask('query ($after: Cursor) { events(after: $after) { nodes { id } } }', {
      after: encodeCursor(ACCOUNT.id, position),
    });
  const { errors } = await at(19);
  expect(errors?.[0]?.extensions).toEqual({ code: 'CURSOR_EXPIRED', oldest: encodeCursor(ACCOUNT.id, 20) });
  expect((await at(20)).errors).toBeUndefined();
});

test.each([encodeCursor('acc_2', 3), 'rubbish', `${encodeCursor(ACCOUNT.id, 3)}x`])(
  'the cursor %s is CURSOR_INVALID',
  async (after) => {
    const { ask } = api({});
    const { errors } = await ask('query ($after: Cursor) { events(after: $after) { nodes { id } } }', {
      after,
    });
    expect(errors?.[0]?.extensions?.['code']).toBe('CURSOR_INVALID');
  },
);

test('results page forwards and backwards, whatever the store cuts a page to', async () => {
  const items = Array.from(
    { length: 7 },
    (_, index): ResultItem => ({
      nodeName: 'green',
      batchIndex: index + 1,
      algorithmName: 'green-alg',
      resultJson: String(index),
      error: null,
    }),
  );
  const { ask } = api({
    store: {
      job: async () => job(1),
      // Never more than two at once, as if each were half of what fits.
      results: async (_account, _job, from, limit) => items.slice(from, from + Math.min(limit, 2)),
    },
  });
  const page = async (args: string) => {
    const { data } = await ask(
      `{ job(id: "x") { results(${args}) { nodes { result } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }`,
    );
    return (data!['job'] as { results: { nodes: { result: number }[]; pageInfo: Record<string, unknown> } })
      .results;
  };
  const seen: number[] = [];
  for (let args = 'first: 5'; args !== ''; ) {
    const { nodes, pageInfo } = await page(args);
    seen.push(...nodes.map(({ result }) => result));
    args = pageInfo['hasNextPage'] ? `first: 5, after: "${pageInfo['endCursor']}"` : '';
  }
  expect(seen).toEqual([0, 1, 2, 3, 4, 5, 6]);
  const end = await page('last: 2');
  expect(end.nodes).toEqual([{ result: 5 }, { result: 6 }]);
  expect(end.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true });
  expect((await page(`last: 1, before: "${end.pageInfo['startCursor']}"`)).nodes).toEqual([{ result: 4 }]);
});
