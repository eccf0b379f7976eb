import { Refused, type Reply, type Route } from '../../dialect.js';
import { ProblemError, UnavailableError } from '../../errors.js';
import type { Pipeline, SaveMode } from '../../pipeline.js';
import { checkedQuery, invalid, isObject } from './checks.js';
import { hkubeDescriptor } from './descriptors.js';
import { type HkubeParts, listOf, notFound, turn } from './jobs.js';
import { hkubeStatus } from './status.js';
import { hkubeWording } from './wording.js';

/** Versions that an audit trail tells of. */
const MAX_TRAIL = 100;
/** Pipelines of one request. */
const MAX_AT_ONCE = 1_000;

/** `/store/pipelines`. */
export function storePipelineRoutes(parts: HkubeParts): Route[] {
  const save = (accountId: string, descriptor: unknown, mode: SaveMode) =>
    parts.engine.savePipeline(accountId, { descriptor, mode, ifVersion: null, wording: hkubeWording });
  return [
    {
      method: 'GET',
      path: '/store/pipelines',
      scope: 'READ',
      run: async ({ accountId, query }): Promise<Reply> => {
        const { limit = MAX_AT_ONCE, sort = 'asc' } = checkedQuery(query, {
          fields: {
            limit: { type: 'integer', min: 1, max: MAX_AT_ONCE },
            sort: { type: 'string', oneOf: ['asc', 'desc'] },
          },
        }) as { limit?: number; sort?: string };
        const page = { limit, after: null, before: null, inverted: sort === 'desc' };
        return { text: listOf(all(parts, await parts.store.pipelines(accountId, page))) };
      },
    },
    {
      method: 'GET',
      path: '/store/pipelines/:name',
      scope: 'READ',
      run: async ({ accountId, params }) => {
        const name = params['name']!;
        const pipeline = await parts.store.pipeline(accountId, name);
        const shown = pipeline && (await storedOf(parts, pipeline));
        if (!shown) throw notFound('pipeline', name);
        return { json: shown };
      },
    },
    {
      method: 'POST',
      path: '/store/pipelines',
      scope: 'SUBMIT',
      run: async ({ accountId, body, query }): Promise<Reply> => {
        const { overwrite = false } = checkedQuery(query, { fields: { overwrite: { type: 'boolean' } } });
        const mode = overwrite ? 'either' : 'create';
        if (!Array.isArray(body)) {
          return { status: 201, json: await storedOf(parts, await save(accountId, body, mode)) };
        }
        if (body.length > MAX_AT_ONCE) throw invalid(`data should NOT have more than ${MAX_AT_ONCE} items`);
        return { status: 201, text: listOf(each(parts, body, (one) => save(accountId, one, mode))) };
      },
    },
    {
      method: 'PUT',
      path: '/store/pipelines',
      scope: 'SUBMIT',
      run: async ({ accountId, body }) => ({
        json: await storedOf(parts, await save(accountId, body, 'update')),
      }),
    },
    {
      method: 'DELETE',
      path: '/store/pipelines/:name',
      scope: 'SUBMIT',
      run: async ({ accountId, params }) => {
        const name = params['name']!;
        const { runningJobs, stoppedJobs } = await parts.engine.deletePipeline(accountId, name);
        const stopped =
          runningJobs > 0 ? `, stopped related running pipelines ${stoppedJobs}/${runningJobs}` : '';
        return { json: { message: `pipeline ${name} successfully deleted from store${stopped}` } };
      },
    },
  ];
}

async function* all(parts: HkubeParts, pipelines: readonly Pipeline[]): AsyncGenerator<string> {
  for (const pipeline of pipelines) {
    const shown = await storedOf(parts, pipeline);
    if (shown) yield JSON.stringify(shown);
    await turn();
  }
}

/** Each is stored for itself: one that is refused says so in its place. */
async function* each(
  parts: HkubeParts,
  descriptors: readonly unknown[],
  save: (descriptor: unknown) => Promise<Pipeline>,
): AsyncGenerator<string> {
  for (const descriptor of descriptors) {
    try {
      yield JSON.stringify(await storedOf(parts, await save(descriptor)));
    } catch (error) {
      const name = isObject(descriptor) ? descriptor['name'] : undefined;
      const { code, message } = failureOf(error);
      const known = typeof name === 'string' ? { name: name.slice(0, 200) } : {};
      yield JSON.stringify({ error: { code, message, ...known } });
    }
    await turn();
  }
}

function failureOf(error: unknown): { code: number; message: string } {
  if (error instanceof Refused) return { code: error.status, message: error.message };
  // Those before it are stored, and it would be unknown which if the answer broke off here.
  if (error instanceof UnavailableError) return { code: 503, message: error.message };
  if (!(error instanceof ProblemError)) throw error;
  const [first] = error.problems;
  return { code: hkubeStatus(first!), message: first!.message };
}

/** The descriptor, and what the store adds; null where it was deleted meanwhile. */
async function storedOf({ store }: HkubeParts, pipeline: Pipeline): Promise<object | null> {
  const { accountId, name } = pipeline;
  const found = await store.pipelineDescriptor(accountId, name, pipeline.version);
  if (!found) return null;
  const page = { limit: MAX_TRAIL, after: null, before: null, inverted: false };
  const versions = await store.pipelineVersions(accountId, name, page);
  return {
    ...hkubeDescriptor(JSON.parse(found.descriptor) as object),
    modified: pipeline.modifiedAt,
    version: String(pipeline.version),
    auditTrail: versions.map(({ version, createdAt }) => ({
      user: 'anonymous',
      timestamp: createdAt,
      version: String(version),
    })),
  };
}
