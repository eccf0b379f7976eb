import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Submission } from '../../src/store.js';
import { World } from '../support/world.js';

/** Stands for a receiver's URL. */
const hook = 'http://receiver/';
const node = (nodeName: string, input: unknown[] = [], more: object = {}) => ({
  nodeName,
  algorithmName: 'echo',
  input,
  ...more,
});

/** A descriptor as HKube's users write it; `typed` has what SubmitPipelineInput spells otherwise. */
const table: { what: string; given: Record<string, unknown>; typed?: object; refused?: string }[] = [
  {
    what: 'the least there can be',
    given: { name: 'simple', nodes: [{ nodeName: 'a', algorithmName: 'echo' }] },
  },
  {
    what: "the example of HKube's webhooks",
    given: {
      name: 'batch',
      nodes: [{ nodeName: 'green', algorithmName: 'green-alg', input: ['#[1,2,3]'] }],
      webhooks: { progress: hook, result: hook },
    },
  },
  {
    what: 'a batch over a result',
    given: { name: 'wait-batch', nodes: [node('green'), node('yellow', [false, '#@green'])] },
  },
  {
    what: 'items that are taken one by one, and an output',
    given: {
      name: 'wait-any',
      nodes: [
        node('green', [10, '#[1,2,3]']),
        node('yellow', [true, '*@green']),
        node('red', ['@yellow', 512]),
        { nodeName: 'out', kind: 'output', input: ['@red', '@green'] },
      ],
    },
  },
  {
    what: 'numbers, as HKube teaches them',
    given: {
      name: 'numbers',
      nodes: [
        node('Range', ['@flowInput.data']),
        node('Multiply', ['#@Range', '@flowInput.mul']),
        node('Reduce', ['@Multiply']),
      ],
      options: { batchTolerance: 100, progressVerbosityLevel: 'info', ttl: 3600 },
      priority: 3,
      flowInput: { data: 5, mul: 2 },
      description: 'a pipeline that sums numbers',
    },
  },
  {
    what: 'the graph of seven nodes',
    given: {
      name: 'dag',
      nodes: [
        node('A'),
        node('B', ['@A']),
        node('C', ['@A']),
        node('D', ['@B', { deep: ['@C'] }]),
        node('E', ['@D']),
        node('F', ['@E', '@G']),
        node('G', []),
      ],
    },
  },
  {
    what: 'everything that both can say',
    given: {
      name: 'all',
      kind: 'batch',
      experimentName: 'trial',
      description: 'everything',
      externalId: 'order-7',
      tags: ['red', '🔔'],
      priority: 5,
      flowInput: JSON.parse('{"empty":[],"none":null,"__proto__":[1],"deep":{"list":[1,"two",null]}}'),
      webhooks: { progress: hook, format: 'hkube' },
      options: {
        ttl: -1,
        activeTtl: 60,
        batchTolerance: 45,
        progressVerbosityLevel: 'warning',
        concurrentPipelines: { amount: 2, rejectOnFailure: false },
        debugOverride: ['a'],
      },
      triggers: { cron: { pattern: '*/5 * * * *', enabled: false }, pipelines: ['simple'] },
      nodes: [
        node('a', [null, 1.5, {}, [], '#[0...3]', '#@flowInput.deep.list'], {
          kind: 'algorithm',
          batchOperation: 'cartesian',
          retry: { policy: 'Always', limit: 2 },
          ttl: 60,
          includeInResults: true,
          includeInResult: false,
          extraData: { any: ['thing'] },
          spec: { name: 'kept' },
        }),
      ],
    },
    typed: {
      webhooks: { progress: hook, format: 'HKUBE' },
      options: {
        ttl: -1,
        activeTtl: 60,
        batchTolerance: 45,
        progressVerbosityLevel: 'warn',
        concurrentPipelines: { amount: 2, rejectOnFailure: false },
        debugOverride: ['a'],
      },
    },
  },
  {
    what: 'types that HKube reads as others',
    given: {
      name: 5,
      priority: '5',
      nodes: [node('a', ['5'], { ttl: '60', retry: { limit: '2' }, includeInResults: 'true' })],
      options: { ttl: '60' },
      triggers: { cron: { pattern: '0 0 * * 1', enabled: null } },
      tags: [1, true],
    },
    typed: {
      name: '5',
      priority: 5,
      nodes: [node('a', ['5'], { ttl: 60, retry: { limit: 2 }, includeInResults: true })],
      options: { ttl: 60 },
      tags: ['1', 'true'],
    },
  },
  {
    what: 'nothing, said as null',
    given: { name: 'nulls', nodes: [node('a')], triggers: {} },
    typed: {
      nodes: [node('a', [], { ttl: null, retry: { limit: null }, spec: null })],
      options: { ttl: null, concurrentPipelines: null },
      webhooks: { progress: null, format: null },
      triggers: { cron: null, pipelines: null },
      tags: null,
    },
  },
  {
    what: 'one without a node that it names',
    given: { name: 'p', nodes: [node('a', ['@b'])], priority: 2 },
    refused: 'node "a" is depend on node "b" which is not exists',
  },
  {
    what: 'one that breaks its bounds',
    given: { name: 'a/b', nodes: [node('')], priority: 9 },
    refused: 'priority must be at most 5, got 9',
  },
];

describe('submitDescriptor, submitPipeline and /api/v1/exec/raw', () => {
  let world: World;
  let receiverUrl: string;
  let submissions: Submission[] = [];
  beforeAll(async () => {
    world = await World.open();
    receiverUrl = (await world.receiver()).url;
    const { store } = world.app;
    const { submit } = store;
    store.submit = (submission) => {
      submissions.push(submission);
      return submit.call(store, submission);
    };
  });
  afterAll(() => world.close());

  /** What is handed to the store, without what is new each time; or why nothing was. */
  const outcome = async (field: string, type: string, input: object) => {
    submissions = [];
    const answer = await world.ask<
      Record<string, { job: object | null; userErrors: { message: string; path: string[] }[] }>
    >(
      `mutation ($input: ${type}!) { ${field}(input: $input) { job { descriptor } userErrors { code message path } } }`,
      {
        input: JSON.parse(JSON.stringify(input).replaceAll(hook, `${receiverUrl}/`)),
      },
    );
    const { job, userErrors } = answer[field]!;
    const problems = userErrors.map((one) => ({
      ...one,
      path: one.path.filter((key) => key !== 'descriptor'),
    }));
    return { job, problems, submission: handedIn() };
  };

  const handedIn = () => {
    // And without the word for the door itself.
    const fresh = new Set(['uuid', 'at', 'occurredAt', 'queuedAt', 'ttlAt', 'types']);
    const same = JSON.stringify(submissions[0] ?? null, (key, value) => (fresh.has(key) ? undefined : value));
    return JSON.parse(same) as unknown;
  };

  /** What HKube's own route hands to the store. */
  const raw = async (descriptor: object) => {
    submissions = [];
    const answer = await fetch(`${world.app.url}/api/v1/exec/raw`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(descriptor).replaceAll(hook, `${receiverUrl}/`),
    });
    return { status: answer.status, submission: handedIn() };
  };

  it.each(table)('make the same of $what', async ({ given, typed = {}, refused }) => {
    const byDescriptor = await outcome('submitDescriptor', 'SubmitDescriptorInput', { descriptor: given });
    const byPipeline = await outcome('submitPipeline', 'SubmitPipelineInput', { ...given, ...typed });
    expect(byDescriptor.problems.at(-1)?.message).toBe(refused);
    expect(byPipeline).toEqual(byDescriptor);
    const { submission } = byDescriptor;
    expect(await raw(given)).toEqual({ status: refused === undefined ? 200 : 400, submission });
  });

  it('make the same of one algorithm as runAlgorithm', async () => {
    const rest = { webhooks: { result: hook }, priority: 1, tags: ['t'] };
    const byAlgorithm = await outcome('runAlgorithm', 'RunAlgorithmInput', {
      name: 'echo',
      input: ['#[1,2]', null],
      ...rest,
    });
    const given = {
      name: 'echo',
      nodes: [{ nodeName: 'echo', algorithmName: 'echo', input: ['#[1,2]', null] }],
      ...rest,
    };
    expect(byAlgorithm.problems).toEqual([]);
    expect(await outcome('submitDescriptor', 'SubmitDescriptorInput', { descriptor: given })).toEqual(
      byAlgorithm,
    );
  });
});
