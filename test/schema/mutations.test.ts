import { expect, test } from 'vitest';
import type { Scope } from '../../src/account.js';
import type { SubmitInput, WebhookInput } from '../../src/engine/engine.js';
import { ProblemError, problem } from '../../src/errors.js';
import type { Webhook } from '../../src/webhook.js';
import { ACCOUNT, api, job, viewer } from '../support/api.js';

const webhook: Webhook = {
  id: 'wh_1',
  accountId: ACCOUNT.id,
  url: 'https://example.com/hook',
  description: null,
  events: ['JOB_COMPLETED'],
  pipelines: [],
  format: 'STANDARD',
  status: 'ENABLED',
  statusReason: null,
  coolingUntil: null,
  headers: [{ name: 'authorization', value: 'Bearer geheim' }],
  timeoutMs: 5_000,
  maxPerSecond: null,
  consecutiveFailures: 0,
  createdAt: 0,
};

test('a submitted pipeline reaches the engine as an HKube descriptor, without what was not given', async () => {
  const submissions: SubmitInput[] = [];
  const { ask } = api({
    engine: {
      submit: async (_account, submission) => {
        submissions.push(submission);
        return job(1);
      },
    },
  });
  const answer = await ask(`mutation {
    submitPipeline(input: {
      name: "batch", idempotencyKey: "k", options: { ttl: 60, batchTolerance: null, progressVerbosityLevel: debug },
      nodes: [{ nodeName: "green", algorithmName: "green-alg", input: ["#[1,2,3]", null, {a: null}], ttl: null,
        retry: { policy: Always } }]
      webhooks: { result: "http://localhost/r", progress: null }, description: null
    }) { job { id status } userErrors { code } }
  }`);
  expect(answer).toEqual({
    data: { submitPipeline: { job: { id: job(1).id, status: 'ACTIVE' }, userErrors: [] } },
  });
  expect(submissions).toMatchObject([{ operation: 'submitPipeline', idempotencyKey: 'k' }]);
  expect(submissions[0]?.descriptor).toEqual({
    name: 'batch',
    kind: 'batch',
    priority: 3,
    options: { ttl: 60, progressVerbosityLevel: 'debug' },
    webhooks: { result: 'http://localhost/r', format: 'HKUBE' },
    nodes: [
      {
        nodeName: 'green',
        algorithmName: 'green-alg',
        input: ['#[1,2,3]', null, { a: null }],
        kind: 'algorithm',
        batchOperation: 'indexed',
        retry: { policy: 'Always', limit: 3 },
      },
    ],
  });
});

test('a key that the typed input does not know is an error that names it', async () => {
  const { ask } = api({});
  const { errors } = await ask(
    'mutation { submitPipeline(input: { name: "x", nodes: [], bogus: 1 }) { userErrors { code } } }',
  );
  expect(errors?.[0]?.message).toContain('"bogus"');
});

test('runAlgorithm submits a pipeline of one node, and its problems point at its own fields', async () => {
  const submissions: SubmitInput[] = [];
  const { ask } = api({
    engine: {
      submit: async (_account, submission) => {
        submissions.push(submission);
        throw new ProblemError([
          { code: 'NOT_FOUND', message: 'no such algorithm', path: ['nodes', '0', 'algorithmName'] },
          { code: 'INVALID', message: 'bad input', path: ['nodes', '0', 'input', '1'] },
          { code: 'INVALID', message: 'bad priority', path: ['priority'] },
        ]);
      },
    },
  });
  const answer = await ask(`mutation {
    runAlgorithm(input: { name: "green-alg", input: [1], priority: 9 }) { job { id } userErrors { code path } }
  }`);
  expect(submissions[0]?.descriptor).toEqual({
    name: 'green-alg',
    priority: 9,
    nodes: [{ nodeName: 'green-alg', algorithmName: 'green-alg', input: [1] }],
  });
  expect(answer.data?.['runAlgorithm']).toEqual({
    job: null,
    userErrors: [
      { code: 'NOT_FOUND', path: ['input', 'name'] },
      { code: 'INVALID', path: ['input', 'input', '1'] },
      { code: 'INVALID', path: ['input', 'priority'] },
    ],
  });
});

test('an expected failure is a userError with its path from the input', async () => {
  const { ask } = api({
    engine: {
      cancelJob: async () => {
        throw problem('NOT_ALLOWED_IN_STATE', 'job "x" is COMPLETED', ['id']);
      },
    },
  });
  expect(
    await ask('mutation { cancelJob(input: { id: "x" }) { job { id } userErrors { code message path } } }'),
  ).toEqual({
    data: {
      cancelJob: {
        job: null,
        userErrors: [
          { code: 'NOT_ALLOWED_IN_STATE', message: 'job "x" is COMPLETED', path: ['input', 'id'] },
        ],
      },
    },
  });
});

test('anything else is masked, with the request id in place of the reason', async () => {
  const { ask, log } = api({
    engine: {
      cancelJob: async () => {
        throw new Error('SELECT * FROM secrets');
      },
    },
  });
  const answer = await ask('mutation { cancelJob(input: { id: "x" }) { job { id } } }');
  expect(answer.errors).toMatchObject([
    {
      message: 'Unexpected error.',
      path: ['cancelJob'],
      extensions: { code: 'INTERNAL', requestId: 'req-1' },
    },
  ]);
  expect(JSON.stringify(answer)).not.toContain('secrets');
  expect(log.lines).toMatchObject([{ level: 'error', facts: { requestId: 'req-1', err: { message: /./ } } }]);
});

test('a registered webhook gets the defaults, and header values are never shown', async () => {
  const inputs: WebhookInput[] = [];
  const { ask } = api({
    engine: {
      registerWebhook: async (_account, input) => {
        inputs.push(input);
        return { webhook, secret: 'whsec_1' };
      },
    },
  });
  const answer = await ask(`mutation {
    registerWebhook(input: { url: "https://example.com/hook" }) {
      webhook { id headers { name value } } secret userErrors { code }
    }
  }`);
  expect(inputs).toEqual([
    {
      url: 'https://example.com/hook',
      events: null,
      pipelines: null,
      format: 'STANDARD',
      description: null,
      headers: [],
      secret: null,
      timeoutMs: 5_000,
      maxPerSecond: null,
      enabled: true,
    },
  ]);
  expect(answer.data?.['registerWebhook']).toEqual({
    webhook: { id: 'wh_1', headers: [{ name: 'authorization', value: '•••' }] },
    secret: 'whsec_1',
    userErrors: [],
  });
});

test('an update changes only what is given; null resets, or is refused where there is no reset', async () => {
  const patches: Partial<WebhookInput>[] = [];
  const { ask } = api({
    engine: {
      updateWebhook: async (_account, _id, patch) => {
        patches.push(patch);
        return webhook;
      },
    },
  });
  await ask('mutation { updateWebhook(input: { id: "wh_1", enabled: false }) { webhook { id } } }');
  await ask(`mutation {
    updateWebhook(input: { id: "wh_1", description: null, events: null, headers: null, timeoutMs: null }) { webhook { id } }
  }`);
  expect(patches).toEqual([
    { enabled: false },
    { description: null, events: null, headers: [], timeoutMs: 5_000 },
  ]);
  const refused = await ask(
    'mutation { updateWebhook(input: { id: "wh_1", url: null }) { webhook { id } userErrors { code path } } }',
  );
  expect(refused.data?.['updateWebhook']).toEqual({
    webhook: null,
    userErrors: [{ code: 'INVALID', path: ['input', 'url'] }],
  });
});

test('the default URL of the account is removed by null and left alone when not named', async () => {
  const patches: unknown[] = [];
  const { ask } = api({
    engine: {
      updateAccount: async (_account, patch) => {
        patches.push(patch);
        return { ...ACCOUNT };
      },
    },
  });
  await ask('mutation { updateAccount(input: { defaultWebhookUrl: null }) { account { id } } }');
  await ask('mutation { updateAccount(input: { defaultWebhookFormat: HKUBE }) { account { id } } }');
  expect(patches).toEqual([{ defaultWebhookUrl: null }, { defaultWebhookFormat: 'HKUBE' }]);
});

test('the account secret is rotated for the account of the key only', async () => {
  const { ask } = api({ engine: { rotateAccountWebhookSecret: async () => 'whsec_new' } });
  const rotate = (input: string) =>
    ask(`mutation { rotateAccountWebhookSecret(input: ${input}) { secret userErrors { code path } } }`);
  expect((await rotate('{}')).data).toEqual({
    rotateAccountWebhookSecret: { secret: 'whsec_new', userErrors: [] },
  });
  expect((await rotate('{ accountId: "acc_2" }')).data).toEqual({
    rotateAccountWebhookSecret: {
      secret: null,
      userErrors: [{ code: 'NOT_FOUND', path: ['input', 'accountId'] }],
    },
  });
});

test.each<[string, Scope, Scope]>([
  ['{ viewer { scopes } }', 'SUBMIT', 'READ'],
  ['{ node(id: "x") { id } }', 'ADMIN', 'READ'],
  ['mutation { cancelJob(input: { id: "x" }) { userErrors { code } } }', 'READ', 'SUBMIT'],
  ['mutation { pingWebhook(input: { id: "x" }) { userErrors { code } } }', 'SUBMIT', 'WEBHOOKS'],
  ['mutation { updateAccount(input: {}) { userErrors { code } } }', 'WEBHOOKS', 'ADMIN'],
])('%s with the scope %s alone is FORBIDDEN and names %s', async (query, has, needs) => {
  const { errors } = await api({}, viewer(has)).ask(query);
  expect(errors?.[0]).toMatchObject({ extensions: { code: 'FORBIDDEN', scope: needs } });
  expect(errors?.[0]?.message).toContain(`needs the scope ${needs}`);
});
