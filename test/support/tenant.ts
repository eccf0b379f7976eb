import { scopes } from '../../src/account.js';
import { answers } from './answers.js';
import { ownWords, rowsOf } from './rows.js';
import type { World } from './world.js';

const PIPELINE = `mutation ($input: SubmitPipelineInput!) { submitPipeline(input: $input) { job { id } userErrors { message } } }`;
const DESCRIPTOR = `mutation ($input: SubmitDescriptorInput!) { submitDescriptor(input: $input) { job { id } userErrors { message } } }`;
const SAVE = `mutation ($input: SavePipelineInput!) { savePipeline(input: $input) { pipeline { id } userErrors { message } } }`;
const RUN_STORED = `mutation ($input: RunPipelineInput!) { runPipeline(input: $input) { job { id } userErrors { message } } }`;
const ALGORITHM = `mutation ($input: RunAlgorithmInput!) { runAlgorithm(input: $input) { job { id } userErrors { message } } }`;
const RERUN = `mutation ($input: RerunJobInput!) { rerunJob(input: $input) { job { id } userErrors { message } } }`;
const REGISTER = `mutation ($input: RegisterWebhookInput!) { registerWebhook(input: $input) { webhook { id } userErrors { message } } }`;
const PING = `mutation ($id: ID!) { pingWebhook(input: { id: $id }) { attempt { outcome } userErrors { message } } }`;

/** The ids of everything that an account can have, all of it there. */
export interface Things {
  account: string;
  keys: string[];
  /** The end of `parent` has started another. */
  jobs: Record<'completed' | 'failed' | 'cancelled' | 'running' | 'parent' | 'last', string>;
  /** Ids of stored ones; `stored` has run. */
  pipelines: { first: string; stored: string };
  tasks: string[];
  /** `slow` is the one whose URL cools down. */
  webhooks: { slow: string; hook: string };
  deliveries: string[];
  events: string[];
  /** Of its events. */
  cursors: string[];
  /** Texts that its jobs can be told by. */
  tag: string;
  externalId: string;
  idempotencyKey: string;
  nodeName: string;
  slowUrl: string;
}

/** One of several accounts on a server, with every right; `mark` is in all the texts that are its own. */
export class Tenant {
  things!: Things;

  private constructor(
    private readonly world: World,
    readonly mark: string,
    readonly account: string,
    readonly authorization: string,
  ) {}

  static async open(world: World, mark: string): Promise<Tenant> {
    const { store, engine } = world.app;
    const secret = `whsec_${Buffer.from(mark.repeat(32)).subarray(0, 32).toString('base64')}`;
    const { id } = await store.ensureAccount(mark, secret, Date.now());
    const { key } = await engine.createApiKey(id, {
      name: `${mark}-owner`,
      scopes: [...scopes],
      expiresAt: null,
    });
    return new Tenant(world, mark, id, `Bearer ${key}`);
  }

  async ask<T>(query: string, variables: object = {}): Promise<T> {
    const { authorization } = this;
    const { data, errors } = await this.world.graphql<T>(query, variables, { authorization });
    if (errors || data === null) throw new Error(`unexpected errors: ${JSON.stringify(errors)}`);
    return data;
  }

  /** The id of what a mutation made. */
  private async make(query: string, input: object): Promise<string> {
    const data = await this.ask<Record<string, Record<string, { id: string } | null>>>(query, { input });
    const [{ userErrors, ...made }] = Object.values(data) as [Record<string, { id: string } | null>];
    const [thing] = Object.values(made);
    if (!thing) throw new Error(JSON.stringify(userErrors));
    return thing.id;
  }

  /** Resolves once the job has had an event of this type. */
  private async until(jobId: string, type: string): Promise<void> {
    const query = `subscription ($id: ID!) { jobEvents(jobId: $id, types: [${type}]) { type } }`;
    const { authorization } = this;
    for await (const _ of answers(this.world.url, 'WebSocket', {
      query,
      variables: { id: jobId },
      authorization,
    }))
      return;
  }

  /** Resolves once a run of this pipeline has completed after the job began. */
  private async followed(jobId: string, pipeline: string): Promise<void> {
    const query = `subscription ($after: Cursor, $pipeline: String!) {
      events(after: $after, filter: { types: [JOB_COMPLETED], pipelines: [$pipeline] }) { type } }`;
    const { job } = await this.ask<{ job: { events: { nodes: { cursor: string }[] } } }>(
      'query ($id: ID!) { job(id: $id) { events(first: 1) { nodes { cursor } } } }',
      { id: jobId },
    );
    const variables = { after: job.events.nodes[0]!.cursor, pipeline };
    const { authorization } = this;
    for await (const _ of answers(this.world.url, 'WebSocket', { query, variables, authorization })) return;
  }

  /** A job of one node that is submitted and runs to its end. */
  async run(): Promise<string> {
    const id = await this.make(ALGORITHM, { name: 'echo', input: [this.mark], tags: [this.mark] });
    await this.until(id, 'JOB_COMPLETED');
    return id;
  }

  async ping(webhookId: string): Promise<void> {
    await this.ask(PING, { id: webhookId });
  }

  /** Makes one of everything, the same for every tenant but for the mark. `calls` is where its webhooks go. */
  async furnish(calls: string): Promise<void> {
    const { mark } = this;
    const at = (path: string) => `${calls}/${mark}-${path}`;
    await this.ask(
      'mutation ($url: URL) { updateAccount(input: { defaultWebhookUrl: $url }) { account { id } } }',
      {
        url: at('default'),
      },
    );
    const slow = await this.make(REGISTER, {
      url: at('slow'),
      events: ['WEBHOOK_RECOVERED'],
      timeoutMs: 100,
    });
    const hook = await this.make(REGISTER, {
      url: at('hook'),
      events: ['JOB_COMPLETED', 'JOB_FAILED', 'TASK_COMPLETED'],
      description: `${mark}-description`,
      headers: [{ name: 'authorization', value: `${mark}-header` }],
      secret: `whsec_${Buffer.from(`${mark}-hook`.repeat(32)).subarray(0, 32).toString('base64')}`,
    });
    const idempotencyKey = `${mark}-idempotency`;
    const completed = await this.make(PIPELINE, {
      name: `${mark}-pipeline`,
      idempotencyKey,
      externalId: `${mark}-external`,
      tags: [`${mark}-tag`],
      description: `${mark}-text`,
      flowInput: { words: [1, 2, 3].map((n) => `${mark}-result-${n}`) },
      nodes: [
        { nodeName: `${mark}-batch`, algorithmName: 'echo', input: ['#@flowInput.words'] },
        { nodeName: `${mark}-leaf`, algorithmName: 'echo', input: [`@${mark}-batch`] },
      ],
      webhooks: { progress: at('progress'), result: at('result') },
      options: { progressVerbosityLevel: 'debug' },
    });
    await this.until(completed, 'JOB_COMPLETED');
    const failed = await this.make(DESCRIPTOR, {
      idempotencyKey,
      descriptor: {
        name: `${mark}-failing`,
        nodes: [{ nodeName: 'n', algorithmName: 'fail', input: [`${mark}-failure`] }],
      },
    });
    await this.until(failed, 'JOB_FAILED');
    await this.until(await this.make(RERUN, { id: failed, idempotencyKey }), 'JOB_FAILED');
    const hanging = (name: string) =>
      this.make(PIPELINE, { name: `${mark}-${name}`, nodes: [{ nodeName: 'n', algorithmName: 'hang' }] });
    const cancelled = await hanging('cancelled');
    await this.ask('mutation ($input: CancelJobInput!) { cancelJob(input: $input) { job { id } } }', {
      input: { id: cancelled, reason: `${mark}-reason` },
    });
    const running = await hanging('running');
    await this.until(running, 'TASK_ACQUIRED');
    await this.make(ALGORITHM, { name: 'echo', input: [`${mark}-argument`], idempotencyKey });
    const saved = (name: string, triggers: object = {}) =>
      this.make(SAVE, {
        descriptor: {
          name: `${mark}-${name}`,
          triggers,
          description: `${mark}-about`,
          nodes: [{ nodeName: 'n', algorithmName: 'noop', input: [`${mark}-stored-input`] }],
        },
      });
    await this.world.app.engine.saveAlgorithm(this.account, {
      name: `${mark}-algorithm`,
      document: { name: `${mark}-algorithm`, algorithmImage: `${mark}-image` },
      mode: 'create',
    });
    const triggers = { pipelines: [`${mark}-stored`], cron: { pattern: '0 0 29 2 *', enabled: true } };
    const pipelines = { first: await saved('first', triggers), stored: await saved('stored') };
    const parent = await this.make(RUN_STORED, {
      name: `${mark}-stored`,
      tags: [`${mark}-tag`],
      externalId: `${mark}-external`,
      idempotencyKey,
    });
    await this.until(parent, 'JOB_COMPLETED');
    await this.followed(parent, `${mark}-first`);
    await this.ping(slow);
    await this.ping(hook);
    const last = await this.make(PIPELINE, {
      name: `${mark}-last`,
      tags: [`${mark}-last`],
      nodes: [{ nodeName: 'n', algorithmName: 'noop' }],
    });
    await this.until(last, 'JOB_COMPLETED');
    await this.atRest();
    this.things = {
      ...(await this.read(completed)),
      jobs: { completed, failed, cancelled, running, parent, last },
      pipelines,
      webhooks: { slow, hook },
      tag: `${mark}-tag`,
      externalId: `${mark}-external`,
      nodeName: `${mark}-batch`,
      slowUrl: at('slow'),
      idempotencyKey,
    };
  }

  /** Resolves once nothing is on its way to its webhooks. */
  async atRest(): Promise<void> {
    for (;;) {
      const attempt = new Promise<void>((resolve) => {
        const unlisten = this.world.app.bus.listen('attempt', () => {
          unlisten();
          resolve();
        });
      });
      const { deliveries } = await this.ask<{ deliveries: { nodes: unknown[] } }>(
        '{ deliveries(filter: { statuses: [PENDING, IN_FLIGHT, RETRYING] }) { nodes { id } } }',
      );
      if (deliveries.nodes.length === 0) return;
      await attempt;
    }
  }

  private async read(
    jobId: string,
  ): Promise<Pick<Things, 'account' | 'keys' | 'tasks' | 'deliveries' | 'events' | 'cursors'>> {
    interface Ids {
      nodes: { id: string; cursor: string }[];
    }
    const { viewer, job, deliveries, events } = await this.ask<{
      viewer: { account: { id: string; apiKeys: Ids } };
      job: { tasks: Ids };
      deliveries: Ids;
      events: Ids;
    }>(
      `query ($id: ID!) {
        viewer { account { id apiKeys { nodes { id } } } }
        job(id: $id) { tasks { nodes { id } } }
        deliveries { nodes { id } }
        events(first: 100) { nodes { id cursor } }
      }`,
      { id: jobId },
    );
    const ids = ({ nodes }: Ids) => nodes.map(({ id }) => id);
    return {
      account: viewer.account.id,
      keys: ids(viewer.account.apiKeys),
      tasks: ids(job.tasks),
      deliveries: ids(deliveries),
      events: ids(events),
      cursors: events.nodes.map(({ cursor }) => cursor),
    };
  }

  rows(): ReturnType<typeof rowsOf> {
    return rowsOf(this.world.folder, this.account);
  }

  /** What an answer to anybody else must not hold: its mark, its words in the database, and what is made of its ids. */
  secrets(others: Tenant): string[] {
    const words = ownWords(this.rows(), others.rows());
    const uuids = words.filter((word) => /^[0-9a-f-]{36}$/.test(word));
    const ids = [...words.filter((word) => /^[a-z]+_[a-z0-9]{24}$/.test(word))];
    const base64 = (text: string) => Buffer.from(text).toString('base64url').slice(0, 32);
    return [
      this.mark,
      base64(this.mark),
      this.authorization.slice('Bearer '.length),
      ...words,
      ...uuids.map((uuid) => uuid.replaceAll('-', '')),
      ...ids.map(base64),
      // Of event ids and cursors.
      this.account.slice('acc_'.length),
      base64(`1.${this.account}`),
    ];
  }
}
