import { cronProblem, DEFAULT_TIME_ZONE } from '../../cron.js';
import type { Call, Reply, Route } from '../../dialect.js';
import { checked, checkedQuery, invalid } from './checks.js';
import { type HkubeParts, listOf, turn } from './jobs.js';

const MAX_LISTED = 1_000;

/** `/cron/…`: which stored pipelines run by the clock. What their runs gave is in lists.ts. */
export function cronRoutes(parts: HkubeParts): Route[] {
  const switched = (path: string, enabled: boolean): Route => ({
    method: 'POST',
    path,
    scope: 'SUBMIT',
    run: async ({ accountId, body }) => {
      const { name, pattern } = checked(body, {
        required: ['name'],
        fields: { name: { type: 'string', minLength: 1 }, pattern: { type: 'string' } },
      }) as { name: string; pattern?: string };
      if (pattern !== undefined && cronProblem(pattern, DEFAULT_TIME_ZONE))
        throw invalid('data.pattern should match format "cron"');
      await parts.engine.setCron(accountId, name, { ...(pattern !== undefined && { pattern }), enabled });
      return { json: { message: 'OK' } };
    },
  });
  return [
    switched('/cron/start', true),
    switched('/cron/stop', false),
    { method: 'GET', path: '/cron/list', scope: 'READ', run: (call) => list(parts, call) },
  ];
}

async function list({ store }: HkubeParts, { accountId, query }: Call): Promise<Reply> {
  const { sort = 'asc', limit = MAX_LISTED } = checkedQuery(query, {
    fields: {
      sort: { type: 'string', oneOf: ['asc', 'desc'] },
      limit: { type: 'integer', min: 1, max: MAX_LISTED },
    },
  }) as { sort?: string; limit?: number };
  const page = { limit: MAX_LISTED, after: null, before: null, inverted: sort === 'desc' };
  const pipelines = await store.pipelines(accountId, page);
  async function* texts() {
    let left = limit;
    for (const { name } of pipelines) {
      const cron = left > 0 && (await store.cron(accountId, name));
      await turn();
      if (!cron) continue;
      const { pattern, nextRunAt } = cron;
      yield JSON.stringify({ name, cron: { enabled: nextRunAt !== null, pattern } });
      left--;
    }
  }
  return { text: listOf(texts()) };
}
