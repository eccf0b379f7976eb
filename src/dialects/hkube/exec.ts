import { partProblems } from '../../descriptor.js';
import type { Call, Reply, Route } from '../../dialect.js';
import { ProblemError } from '../../errors.js';
import type { Job } from '../../job.js';
import type { Overrides } from '../../merge.js';
import { checked, invalid } from './checks.js';
import { withImages } from './images.js';
import { type HkubeParts, jobOf } from './jobs.js';
import { hkubeWording } from './wording.js';

/** `POST /exec/…`: what makes jobs. */
export function execRoutes(parts: HkubeParts): Route[] {
  const post = (path: string, run: (call: Call) => Promise<Job>): Route => ({
    method: 'POST',
    path,
    scope: 'SUBMIT',
    run: async (call): Promise<Reply> => ({
      json: { jobId: (await withImages(parts, call.accountId, () => run(call))).id },
    }),
  });
  const { engine } = parts;
  const again = (received: unknown) => ({ received, idempotencyKey: null });
  const asked = (received: unknown) => ({ ...again(received), wording: hkubeWording });
  return [
    post('/exec/raw', ({ accountId, body }) =>
      engine.submit(accountId, { operation: 'submitDescriptor', descriptor: body, ...asked(body) }),
    ),

    post('/exec/stored', ({ accountId, body }) => {
      // HKube looks at what it is sent before it looks for the pipeline.
      const problems = partProblems(body, hkubeWording);
      if (problems.length > 0) throw new ProblemError(problems);
      const { name, ...overrides } = body as Overrides;
      return engine.runPipeline(accountId, {
        name: String(name),
        version: null,
        overrides,
        ...asked(body),
      });
    }),

    post('/exec/algorithm', ({ accountId, body }) => {
      const { name, input = [] } = checked(body, {
        required: ['name'],
        closed: true,
        fields: {
          name: { type: 'string', minLength: 1 },
          input: { type: 'array' },
          debug: { type: 'boolean' },
        },
      });
      return engine.submit(accountId, {
        operation: 'runAlgorithm',
        descriptor: { name, nodes: [{ nodeName: name, algorithmName: name, input }] },
        ...asked(body),
      });
    }),

    post('/exec/rerun', async ({ accountId, body }) => {
      const { jobId } = checked(body, { required: ['jobId'], fields: { jobId: { type: 'string' } } });
      const { id } = await jobOf(parts, accountId, String(jobId), 'jobId');
      return engine.rerunJob(accountId, { jobId: id, from: { kind: 'START' }, ...again(body) });
    }),

    post('/exec/caching', async ({ accountId, body }) => {
      const { jobId, nodeName } = checked(body, {
        required: ['jobId', 'nodeName'],
        closed: true,
        fields: { jobId: { type: 'string' }, nodeName: { type: 'string' }, debug: { type: 'boolean' } },
      }) as { jobId: string; nodeName: string };
      const job = await parts.store.job(accountId, jobId);
      if (!job) throw invalid(`unable to find pipeline ${jobId.slice(0, 200)}`);
      return engine.rerunJob(accountId, { jobId: job.id, from: { kind: 'NODE', nodeName }, ...again(body) });
    }),
  ];
}
