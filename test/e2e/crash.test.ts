import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KilledServer } from '../support/killed.js';
import { startReceiver, type TestReceiver } from '../support/receiver.js';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';
const PARENTS = heavy ? 40 : 8;
const KILLS = heavy ? 30 : 2;
const JOBS = 50;
/** Each task takes so long that the jobs are still running when the last kill comes. */
const TASK_MS = heavy ? 250 : 25;

/** A kill while a task runs uses up an attempt: with so many left, chance decides nothing. */
const retry = { policy: 'OnCrash', limit: 50 };

const diamond = (number: number) => ({
  name: 'diamond',
  externalId: `job-${number}`,
  nodes: [
    { nodeName: 'top', algorithmName: 'list', input: [4], retry },
    { nodeName: 'left', algorithmName: 'nap', input: [TASK_MS, '#@top'], retry },
    { nodeName: 'right', algorithmName: 'nap', input: [TASK_MS, '@top'], retry },
    { nodeName: 'bottom', algorithmName: 'echo', input: ['@left', '@right'], retry },
  ],
});

interface Event {
  id: string;
  type: string;
  sequence: number | null;
  jobId: string | null;
}

describe('a server that is killed', () => {
  let server: KilledServer;
  let receiver: TestReceiver;
  beforeEach(async () => {
    receiver = await startReceiver();
    server = await KilledServer.open({ CARILLON_WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8' });
  });
  afterEach(async () => {
    await server.close();
    await receiver.close();
  });

  const ask = <T>(query: string, variables: object = {}) => server.ask<T>(query, variables);

  async function submit(number: number): Promise<string | null> {
    const query = `mutation ($d: JSON!, $key: String) {
      submitDescriptor(input: { descriptor: $d, idempotencyKey: $key }) { job { id } userErrors { message } } }`;
    try {
      const { submitDescriptor } = await ask<{ submitDescriptor: { job: { id: string } } }>(query, {
        d: diamond(number),
        key: `key-${number}`,
      });
      return submitDescriptor.job.id;
    } catch {
      return null;
    }
  }

  async function allEvents(): Promise<Event[]> {
    const events: Event[] = [];
    let after: string | null = null;
    for (;;) {
      const {
        events: page,
      }: { events: { nodes: Event[]; pageInfo: { endCursor: string; hasNextPage: boolean } } } = await ask(
        'query ($after: Cursor) { events(first: 100, after: $after) { nodes { id type sequence jobId } pageInfo { endCursor hasNextPage } } }',
        { after },
      );
      events.push(...page.nodes);
      after = page.pageInfo.endCursor;
      if (!page.pageInfo.hasNextPage) return events;
    }
  }

  async function open(): Promise<number> {
    const { jobs } = await ask<{ jobs: { nodes: unknown[] } }>(
      '{ jobs(filter: { statuses: [PENDING, ACTIVE] }, first: 100) { nodes { id } } }',
    );
    return jobs.nodes.length;
  }

  it(
    `${KILLS} times, while ${JOBS} jobs run, loses nothing that it acknowledged, and everything ends`,
    async () => {
      const { registerWebhook } = await ask<{ registerWebhook: { webhook: { id: string } } }>(
        'mutation ($url: URL!) { registerWebhook(input: { url: $url, events: [JOB_PENDING, JOB_ACTIVE, JOB_COMPLETED, JOB_FAILED, TASK_COMPLETED] }) { webhook { id } } }',
        { url: receiver.url },
      );
      const acknowledged = new Map<number, string>();
      const submitAll = async () => {
        for (let number = 0; number < JOBS; number++) {
          if (acknowledged.has(number)) continue;
          const id = await submit(number);
          if (id) acknowledged.set(number, id);
        }
      };
      for (let kill = 0; kill < KILLS; kill++) {
        const submitting = submitAll();
        // Wherever it may be: submitting, expanding, running, settling, calling.
        await new Promise((resolve) => setTimeout(resolve, 100 + Math.random() * 900));
        await server.kill();
        await submitting;
        await server.start();
      }
      await submitAll();
      while ((await open()) > 0) await new Promise((resolve) => setTimeout(resolve, 100));

      const { jobs } = await ask<{
        jobs: {
          nodes: {
            id: string;
            externalId: string;
            status: string;
            results: { nodes: { result: unknown }[] };
          }[];
        };
      }>('{ jobs(first: 100) { nodes { id externalId status results { nodes { result } } } } }');
      expect(new Set(jobs.nodes.map((job) => job.id))).toEqual(new Set(acknowledged.values()));
      expect(jobs.nodes).toHaveLength(JOBS);
      const completed = jobs.nodes.filter((job) => job.status === 'COMPLETED');
      for (const job of completed)
        expect(job.results.nodes).toEqual([{ result: [[TASK_MS, TASK_MS, TASK_MS, TASK_MS], TASK_MS] }]);
      expect(completed).toHaveLength(JOBS);

      const events = await allEvents();
      for (const id of acknowledged.values()) {
        const sequences = events.filter((event) => event.jobId === id).map((event) => event.sequence);
        expect(sequences).toEqual(sequences.map((_, index) => index + 1));
      }
      const positions = events.map((event) => Number.parseInt(event.id.split('_')[2]!, 36));
      expect(positions).toEqual(positions.map((_, index) => index + 1));

      const owed = events.filter((event) =>
        ['JOB_PENDING', 'JOB_ACTIVE', 'JOB_COMPLETED', 'JOB_FAILED', 'TASK_COMPLETED'].includes(event.type),
      );
      const arrived = () => new Set(receiver.calls.map((call) => call.headers['webhook-id']));
      while (!owed.every((event) => arrived().has(event.id)))
        await new Promise((resolve) => setTimeout(resolve, 100));
      const query =
        'query ($id: ID!) { deliveries(filter: { webhookId: $id, statuses: [PENDING, IN_FLIGHT, RETRYING, HELD] }) { nodes { id } } }';
      const pending = async () =>
        (await ask<{ deliveries: { nodes: unknown[] } }>(query, { id: registerWebhook.webhook.id }))
          .deliveries.nodes;
      while ((await pending()).length > 0) await new Promise((resolve) => setTimeout(resolve, 100));
    },
    heavy ? 600_000 : 120_000,
  );

  it(
    'in the middle of work that is taken item by item makes every task once and finishes it',
    async () => {
      const ITEMS = 40;
      const key = { key: 'wait-any' };
      const node = (nodeName: string, algorithmName: string, ...input: unknown[]) => ({
        nodeName,
        algorithmName,
        input,
        retry,
      });
      const descriptor = {
        name: 'wait-any',
        nodes: [
          node('a', 'nap', TASK_MS, `#[1...${ITEMS}]`),
          node('b', 'echo', '*@a', '#[x,y,z]'),
          node('c', 'nap', TASK_MS / 5, '*@b'),
          node('d', 'echo', '@c', '@b'),
        ],
      };
      const { submitDescriptor } = await ask<{ submitDescriptor: { job: { id: string } } }>(
        'mutation ($d: JSON!, $key: String) { submitDescriptor(input: { descriptor: $d, idempotencyKey: $key }) { job { id } } }',
        { d: descriptor, ...key },
      );
      const { id } = submitDescriptor.job;
      interface Asked {
        job: {
          status: string;
          nodes: { name: string; progress: { total: number; succeeded: number } }[];
          results: { nodes: { result: unknown }[] };
        };
      }
      const look = () =>
        ask<Asked>(
          'query ($id: ID!) { job(id: $id) { status nodes { name progress { total succeeded } } results { nodes { result } } } }',
          { id },
        );
      for (let kill = 0; kill < KILLS; kill++) {
        // Each time somewhat further on: rows are being made, and results come in.
        const enough = Math.floor(((kill + 1) * ITEMS * 3) / (KILLS + 1));
        while ((await look()).job.nodes[2]!.progress.succeeded < enough)
          await new Promise((resolve) => setTimeout(resolve, 20));
        await server.kill();
        await server.start();
      }
      while ((await open()) > 0) await new Promise((resolve) => setTimeout(resolve, 100));
      const { job } = await look();
      expect(job.status).toBe('COMPLETED');
      expect(job.nodes.map(({ progress }) => progress)).toEqual(
        [ITEMS, ITEMS * 3, ITEMS * 3, 1].map((total) => ({ total, succeeded: total })),
      );
      const b = Array.from({ length: ITEMS * 3 }, (_, index) => [TASK_MS, 'xyz'[index % 3]]);
      expect(job.results.nodes).toEqual([{ result: [b.map(() => TASK_MS / 5), b] }]);
      const completed = (await allEvents()).filter(({ type }) => type === 'TASK_COMPLETED');
      expect(completed).toHaveLength(ITEMS * 7 + 1);
    },
    heavy ? 600_000 : 120_000,
  );

  it(
    `${KILLS} times, while pipelines run in pipelines, starts none twice and forgets none`,
    async () => {
      const save = async (name: string, nodes: object[], flowInput: object) => {
        const { savePipeline } = await ask<{ savePipeline: { userErrors: object[] } }>(
          'mutation ($d: JSON!) { savePipeline(input: { descriptor: $d }) { userErrors { message } } }',
          { d: { name, nodes, flowInput } },
        );
        expect(savePipeline.userErrors).toEqual([]);
      };
      await save('inner', [{ nodeName: 'nap', algorithmName: 'nap', input: ['@flowInput.ms'], retry }], {
        ms: TASK_MS,
      });
      await save('outer', [{ nodeName: 'run', kind: 'pipeline', spec: { name: 'inner' } }], {});
      const call = ['startStoredSubpipeline', 'inner', { ms: TASK_MS + 1 }];
      const parent = {
        name: 'parent',
        nodes: [
          { nodeName: 'each', kind: 'pipeline', spec: { name: 'outer' }, input: ['#[1...4]'] },
          { nodeName: 'starter', algorithmName: 'starter', input: [call], retry },
        ],
      };
      const ids: string[] = [];
      for (let number = 0; number < PARENTS; number++) {
        const { submitDescriptor } = await ask<{ submitDescriptor: { job: { id: string } } }>(
          'mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } } }',
          { d: parent },
        );
        ids.push(submitDescriptor.job.id);
      }
      for (let kill = 0; kill < KILLS; kill++) {
        await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 400));
        await server.kill();
        await server.start();
      }
      while ((await open()) > 0) await new Promise((resolve) => setTimeout(resolve, 100));

      const inner = (ms: number) => [{ nodeName: 'nap', algorithmName: 'nap', result: ms }];
      const outer = [{ nodeName: 'run', algorithmName: 'inner', result: inner(TASK_MS) }];
      for (const id of ids) {
        const { job } = await ask<{ job: { status: string; results: { nodes: { result: unknown }[] } } }>(
          'query ($id: ID!) { job(id: $id) { status results { nodes { result } } } }',
          { id },
        );
        expect(job.status).toBe('COMPLETED');
        expect(job.results.nodes.map(({ result }) => result)).toEqual([
          ...Array(4).fill(outer),
          [inner(TASK_MS + 1)],
        ]);
      }
      const runs = async (pipeline: string) => {
        const events = (await allEvents()).filter(({ jobId }) => jobId?.startsWith(`${pipeline}:`));
        return (type: string) => events.filter((event) => event.type === type).length;
      };
      // Of a pipeline node, one run for each item, whatever happened; what an attempt of an algorithm has started ends with it.
      const outers = await runs('outer');
      expect([outers('JOB_PENDING'), outers('JOB_COMPLETED')]).toEqual([4 * PARENTS, 4 * PARENTS]);
      const inners = await runs('inner');
      expect(inners('JOB_COMPLETED')).toBeGreaterThanOrEqual(5 * PARENTS);
      expect(inners('JOB_COMPLETED') + inners('JOB_CANCELLED')).toBe(inners('JOB_PENDING'));
      expect(inners('JOB_FAILED')).toBe(0);
    },
    heavy ? 600_000 : 120_000,
  );
});
