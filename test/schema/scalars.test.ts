import { expect, test } from 'vitest';
import type { JobFilter } from '../../src/store.js';
import { api, job } from '../support/api.js';

/** JSON nested `levels` deep: [[[…]]] */
const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;

function submitting() {
  const received: unknown[] = [];
  const { ask } = api({
    engine: {
      submit: async (_account, { descriptor }) => {
        received.push(descriptor);
        return job(1);
      },
    },
  });
  const literal = (text: string) =>
    ask(
      `mutation { submitDescriptor(input: { descriptor: ${text} }) { job { id } userErrors { message } } }`,
    );
  const variable = (json: string) =>
    ask(
      'mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } } }',
      `{"d":${json}}`,
    );
  return { received, literal, variable, ask };
}

test('JSON takes any value, as a literal or as a variable', async () => {
  const { received, literal, variable, ask } = submitting();
  await literal('{ a: [1, -2.5, true, null, "x\\u0000y"], b: {}, __proto__: { c: RED } }');
  await variable('{"a":[1,"x\\u0000y"],"__proto__":{"c":1}}');
  await ask('mutation ($v: JSON) { submitDescriptor(input: { descriptor: { v: $v } }) { job { id } } }', {
    v: [7],
  });
  expect(JSON.stringify(received[0])).toBe(
    '{"a":[1,-2.5,true,null,"x\\u0000y"],"b":{},"__proto__":{"c":"RED"}}',
  );
  expect(JSON.stringify(received[1])).toBe('{"a":[1,"x\\u0000y"],"__proto__":{"c":1}}');
  expect(received[2]).toEqual({ v: [7] });
});

test('JSON may be nested 128 levels deep and no deeper', async () => {
  const { received, literal, variable } = submitting();
  await literal(nested(128));
  await variable(nested(128));
  expect(received).toHaveLength(2);
  const answers = [await literal(nested(129)), await variable(nested(129)), await variable(nested(100_000))];
  for (const { errors } of answers) {
    expect(errors?.[0]?.message).toContain('JSON must be nested at most 128 levels deep, got more');
  }
  expect(received).toHaveLength(2);
});

test('numbers that JSON cannot hold are refused', async () => {
  const { literal } = submitting();
  expect((await literal('[1e999]')).errors?.[0]?.message).toContain('a number must be finite');
});

test('a result nested too deep is an error of its field, and the rest is answered', async () => {
  const { ask } = api({
    store: {
      job: async () => job(1),
      results: async (_account, _job, from) =>
        from === 0
          ? [
              {
                nodeName: 'green',
                batchIndex: null,
                algorithmName: 'green-alg',
                resultJson: nested(20_000),
                error: null,
              },
            ]
          : [],
    },
  });
  const answer = await ask('{ job(id: "x") { results { nodes { nodeName result } } } }');
  expect(answer.data).toEqual({ job: { results: { nodes: [{ nodeName: 'green', result: null }] } } });
  expect(answer.errors?.[0]?.extensions?.['code']).toBe('LIMIT_REACHED');
});

test('DateTime is read strictly and written in UTC with milliseconds', async () => {
  const filters: JobFilter[] = [];
  const { ask } = api({
    store: {
      jobs: async (_account, filter) => {
        filters.push(filter);
        return [job(1, { createdAt: Date.UTC(2026, 0, 2, 3, 4, 5, 6) })];
      },
    },
  });
  const jobs = (time: unknown) =>
    ask('query ($t: DateTime) { jobs(filter: { createdAfter: $t }) { nodes { createdAt } } }', { t: time });
  expect((await jobs('2026-01-02T03:04:05+01:00')).data).toEqual({
    jobs: { nodes: [{ createdAt: '2026-01-02T03:04:05.006Z' }] },
  });
  expect(filters).toEqual([{ createdAfter: Date.UTC(2026, 0, 2, 2, 4, 5) }]);
  for (const wrong of [
    '2026-01-02',
    '2026-01-02T03:04:05',
    '2026-02-30T00:00:00Z',
    '2026-01-02T25:00:00Z',
    '2026-01-02 03:04:05Z',
    1_767_322_800_000,
  ]) {
    const { errors } = await jobs(wrong);
    expect(errors?.[0]?.message).toContain('DateTime must be an RFC 3339 time with a time zone');
    expect(errors?.[0]?.extensions?.['code']).toBe('BAD_USER_INPUT');
  }
});
