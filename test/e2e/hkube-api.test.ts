import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { World } from '../support/world.js';

/** HKube's client: JSON over HTTP, and nothing else. */
class HkubeClient {
  constructor(
    readonly url: string,
    private readonly headers: Record<string, string> = {},
  ) {}

  async ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...this.headers,
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      json: text === '' ? null : JSON.parse(text),
    };
  }

  get = (path: string) => this.ask('GET', path);
  post = (path: string, body: unknown) => this.ask('POST', path, body);
}

describe('smoke', () => {
  let world: World;
  let hkube: HkubeClient;
  beforeAll(async () => {
    world = await World.open();
    hkube = new HkubeClient(world.app.url);
  });
  afterAll(() => world.close());

  it('works', async () => {
    const answers: unknown[] = [];
    const see = async (method: string, path: string, body?: unknown) => {
      const { status, json } = await hkube.ask(method, path, body);
      answers.push([method, path, status, json]);
      return json;
    };
    const { jobId } = await see('POST', '/exec/raw', {
      name: 'batch',
      nodes: [{ nodeName: 'green', algorithmName: 'green-alg', input: ['#[1,2,3]'] }],
      flowInput: { a: 1 },
    });
    await world.ended(jobId);
    for (const path of [
      '/exec/status/',
      '/exec/results/',
      '/exec/pipelines/',
      '/exec/auditTrail/',
      '/exec/flowInput/',
      '/graph/raw/',
      '/webhooks/list/',
      '/exec/tree/',
    ])
      await see('GET', path + jobId);
    await see('GET', `/exec/results/${encodeURIComponent(jobId)}?format=hkube-v2`);
    await see('GET', `/exec/status/${encodeURIComponent(jobId)}?format=hkube-v2`);
    for (const path of [
      '/exec/status',
      '/exec/pipeline/list',
      '/exec/jobs?status=completed',
      '/exec/jobs?status=completed&raw=true',
      '/pipelines/results?name=batch',
      '/pipelines/status?name=batch&limit=0',
      '/exec/search',
      '/exec/search?pipelineName=batch&limit=1',
      '/store/pipelines',
      '/store/algorithms',
      '/nothing',
      '/exec/raw',
    ])
      await see('GET', path);
    await see('POST', '/exec/search', {
      query: { pipelineName: 'batch', tags: [] },
      fields: { status: true },
    });
    await see('POST', '/exec/stop', { jobId: 'no_such_id' });
    await see('POST', '/exec/algorithm', { name: 'nope-alg' });
    await see('POST', '/exec/algorithm', { name: 'sum', stam: 1 });
    await see('POST', '/exec/raw', '{"a":@}');
    await see('POST', '/store/algorithms', { name: 'my-alg' });
    await see('POST', '/exec/algorithm', { name: 'my-alg' });
    await see('PUT', '/store/algorithms', { name: 'my-alg', algorithmImage: 'x' });
    await see('POST', '/exec/algorithm', { name: 'my-alg' });
    await see('POST', '/store/pipelines', { name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'echo' }] });
    await see('POST', '/store/pipelines', [
      { name: 'p', nodes: [{ nodeName: 'a', algorithmName: 'echo' }] },
      { name: 'q', nodes: [{ nodeName: 'a', algorithmName: 'echo' }] },
    ]);
    await see('POST', '/exec/stored', { name: 'p' });
    await see('DELETE', '/store/pipelines/p');
    for (const one of answers) console.log(JSON.stringify(one));
    expect(1).toBe(1);
  });
});
