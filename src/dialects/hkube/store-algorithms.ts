import type { StoredAlgorithm } from '../../algorithm.js';
import { depthProblem } from '../../descriptor.js';
import { Refused, type Route } from '../../dialect.js';
import type { SaveMode } from '../../pipeline.js';
import { checked, checkedQuery, invalid, isObject } from './checks.js';
import { type HkubeParts, listOf, notFound, turn } from './jobs.js';

const NAME = /^[a-z0-9][-a-z0-9.]*[a-z0-9]$/;
const MEMORY = /^(\d+(?:\.\d+)?)(Ki|Mi|Gi|Ti|Pi|Ei|k|M|G|T|P|E|m)?b?$/i;
const MIN_MEMORY = 4 * 1024 * 1024;
const LIST = 1_000;

const defaults = { cpu: 0.1, mem: '256Mi', type: 'Image', minHotWorkers: 0 };

const FIELDS = {
  name: { type: 'string', minLength: 1, maxLength: 32 },
  algorithmImage: { type: 'string' },
  env: { type: 'string', oneOf: ['nodejs', 'python', 'java'] },
  type: { type: 'string', oneOf: ['Image', 'Code', 'Git'] },
  mem: { type: 'string' },
  cpu: { type: 'number', min: 0 },
  gpu: { type: 'number', min: 0 },
  minHotWorkers: { type: 'integer', min: 0 },
} as const;

/**
 * `/store/algorithms`: documents are kept for clients that expect them. What runs is the module of a name in the
 * algorithms folder; `module` says whether there is one.
 */
export function storeAlgorithmRoutes(parts: HkubeParts): Route[] {
  const modules = () => new Set(parts.engine.algorithms().map(({ name }) => name));
  const save = async (accountId: string, body: unknown, mode: SaveMode) => {
    const document = documentOf(body);
    const stored = await parts.engine.saveAlgorithm(accountId, { name: document.name, document, mode });
    return shown(stored, modules());
  };
  return [
    {
      method: 'GET',
      path: '/store/algorithms',
      scope: 'READ',
      run: async ({ accountId, query }) => {
        const {
          name = '',
          limit = LIST,
          sort = 'asc',
        } = checkedQuery(query, {
          fields: {
            name: { type: 'string' },
            limit: { type: 'integer', min: 1, max: LIST },
            sort: { type: 'string', oneOf: ['asc', 'desc'] },
          },
        }) as { name?: string; limit?: number; sort?: string };
        const here = modules();
        const stored = await parts.store.storedAlgorithmNames(accountId);
        const found = [...new Set([...stored, ...here])].filter((one) => one.includes(name)).sort();
        if (sort === 'desc') found.reverse();
        return { text: listOf(all(parts, accountId, found.slice(0, limit), here)) };
      },
    },
    {
      method: 'GET',
      path: '/store/algorithms/:name',
      scope: 'READ',
      run: async ({ accountId, params }) => {
        const name = params['name']!;
        const stored = await parts.store.storedAlgorithm(accountId, name);
        if (stored) return { json: shown(stored, modules()) };
        if (!modules().has(name)) throw notFound('algorithm', name);
        return { json: moduleOf(name) };
      },
    },
    {
      method: 'POST',
      path: '/store/algorithms',
      scope: 'SUBMIT',
      run: async ({ accountId, body, query }) => {
        const { overwrite = false } = checkedQuery(query, { fields: { overwrite: { type: 'boolean' } } });
        return { status: 201, json: await save(accountId, body, overwrite ? 'either' : 'create') };
      },
    },
    {
      method: 'PUT',
      path: '/store/algorithms',
      scope: 'SUBMIT',
      run: async ({ accountId, body }) => ({ json: await save(accountId, body, 'update') }),
    },
    {
      method: 'POST',
      path: '/store/algorithms/apply',
      scope: 'SUBMIT',
      run: async ({ accountId, body }) => {
        const payload = payloadOf(body);
        if (payload['gitRepository'] !== undefined || ['Code', 'Git'].includes(String(payload['type'])))
          throw invalid('algorithms are not built here: put a module into the algorithms folder');
        const algorithm = await save(accountId, payload, 'either');
        return { json: { algorithm, messages: [`algorithm ${algorithm.name} has been applied`] } };
      },
    },
    {
      method: 'DELETE',
      path: '/store/algorithms/:name',
      scope: 'SUBMIT',
      run: async ({ accountId, params }) => {
        const name = params['name']!;
        if (modules().has(name) && !(await parts.store.storedAlgorithm(accountId, name))) {
          throw new Refused(
            400,
            `algorithm ${name} is a module of this server: it goes when its file leaves the algorithms folder`,
          );
        }
        await parts.engine.deleteAlgorithm(accountId, name);
        return { json: { message: `algorithm ${name} successfully deleted from store` } };
      },
    },
  ];
}

/** Documents, and modules that have none; one that was deleted meanwhile is left out. */
async function* all(
  { store }: HkubeParts,
  accountId: string,
  names: readonly string[],
  modules: ReadonlySet<string>,
): AsyncGenerator<string> {
  for (const name of names) {
    const stored = await store.storedAlgorithm(accountId, name);
    if (stored) yield JSON.stringify(shown(stored, modules));
    else if (modules.has(name)) yield JSON.stringify(moduleOf(name));
    await turn();
  }
}

/** HKube takes a form with the document as text in it; here it is JSON, with the document as text or as it is. */
function payloadOf(body: unknown): Record<string, unknown> {
  const given = isObject(body) && 'payload' in body ? body['payload'] : body;
  let payload: unknown = given;
  if (typeof given === 'string') {
    try {
      payload = JSON.parse(given);
    } catch {
      throw invalid('data.payload should be object');
    }
  }
  if (!isObject(payload)) throw invalid('data should be object');
  return payload;
}

/** Everything that was given, with the defaults of what was not. */
function documentOf(body: unknown): Record<string, unknown> & { name: string } {
  const fields = checked(body, { required: ['name'], fields: FIELDS });
  const tooDeep = depthProblem(body);
  if (tooDeep) throw invalid(tooDeep.message);
  const name = String(fields['name']);
  if (!NAME.test(name))
    throw invalid('algorithm name must contain only lower-case alphanumeric, dash or dot');
  const { mem } = fields;
  if (typeof mem === 'string' && memoryOf(mem) < MIN_MEMORY) throw invalid('memory must be at least 4 Mi');
  const { module: _module, modified: _modified, ...given } = body as Record<string, unknown>;
  return { ...defaults, ...given, ...fields, name };
}

const powers = ['', 'k', 'm', 'g', 't', 'p', 'e'];

/** Kubernetes' sizes; what is none is nothing. */
function memoryOf(text: string): number {
  const match = MEMORY.exec(text);
  if (!match) return 0;
  const [, number, unit = ''] = match;
  const base = unit.endsWith('i') ? 1024 : 1000;
  return Number(number) * base ** powers.indexOf(unit.charAt(0).toLowerCase());
}

function shown({ name, document, modifiedAt }: StoredAlgorithm, modules: ReadonlySet<string>) {
  return { ...(JSON.parse(document) as object), name, modified: modifiedAt, module: modules.has(name) };
}

function moduleOf(name: string): object {
  return { name, ...defaults, env: 'nodejs', type: 'Code', module: true };
}
