import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createSchema } from '../../schema/schema.js';
import { dialectRoutes } from '../../src/dialect.js';
import { decodeCursor, encodeCursor } from '../../src/feed.js';
import { createRoutes, GRAPHQL_PATH, type RouteOptions, routeNames } from '../../src/http/routes.js';
import { answers, isNext, type Transport, told, transports } from '../support/answers.js';
import { fake } from '../support/fake.js';
import { send } from '../support/http.js';
import { references, usesOf } from '../support/references.js';
import { Tenant } from '../support/tenant.js';
import { World } from '../support/world.js';
import { dialectRows, dialects } from './isolation.dialects.js';
import { ERRORS, namesNothing, type RouteRow, type Row, routes, table } from './isolation.table.js';

const schema = createSchema();

describe('the table of isolation', () => {
  const used = table.map(({ document }) => usesOf(schema, document));

  it('has a row for every root field', () => {
    const asked = new Set(used.flatMap(({ fields }) => fields));
    const missing = [schema.getQueryType(), schema.getMutationType(), schema.getSubscriptionType()]
      .flatMap((type) => Object.keys(type!.getFields()).map((field) => `${type!.name}.${field}`))
      .filter((field) => !asked.has(field));
    expect(missing, 'add a row to `table` in isolation.table.ts that asks for them').toEqual([]);
  });

  it('has a row for every argument and input field that can name a thing', () => {
    const places = new Set(used.flatMap((one) => one.places));
    const missing = references(schema).filter(
      ({ at, declared, type }) =>
        !places.has(at) && (type === 'ID' || type === 'Cursor' || !namesNothing[declared]),
    );
    expect(
      missing.map(({ at }) => at),
      'add a row to `table` in isolation.table.ts with `$x` in their place, or say in `namesNothing` why such a text names nothing of an account',
    ).toEqual([]);
  });

  it('excuses nothing that is not there', () => {
    const declared = references(schema).map((one) => one.declared);
    expect(Object.keys(namesNothing).filter((one) => !declared.includes(one))).toEqual([]);
  });

  it('has a row for every route', () => {
    const served = routeNames(createRoutes(fake<RouteOptions>('routes', {})));
    const missing = served.filter(
      (name) =>
        !name.endsWith(` ${GRAPHQL_PATH}`) && (!routes[name] || (/[:*]/.test(name) && !routes[name].x)),
    );
    expect(
      missing,
      'add them to `routes` in isolation.table.ts, with `x` where the path names a thing',
    ).toEqual([]);
    expect(Object.keys(routes).filter((name) => !served.includes(name))).toEqual([]);
  });

  it('has a row for every route of the dialects', () => {
    const served = dialects.flatMap(dialectRoutes);
    const missing = served.filter(
      (name) => !dialectRows[name] || (name.includes(':') && !dialectRows[name].x),
    );
    expect(missing, 'add them to isolation.dialects.ts, with `x` where the route names a thing').toEqual([]);
    expect(Object.keys(dialectRows).filter((name) => !served.includes(name))).toEqual([]);
  });
});

/** Something of the same shape and length that never was. */
function neverWas(x: string): string[] {
  const text = Buffer.from(x, 'base64url').toString();
  const account = /^1\.(acc_[a-z0-9]+)\./.exec(text)?.[1];
  if (account) {
    const position = decodeCursor(x, account)!;
    const damaged = x.slice(0, -1) + (x.endsWith('A') ? 'Q' : 'A');
    return [encodeCursor(changed(account), position), damaged];
  }
  if (/^[\x20-\x7e]{8,}$/.test(text) && Buffer.from(text).toString('base64url') === x)
    return [Buffer.from(changed(text)).toString('base64url')];
  return [changed(x)];
}

/** The last letters and digits of an id or a name changed into others, hexadecimal ones into hexadecimal ones. */
function changed(id: string): string {
  const cut = /^tsk_[0-9a-f]{32}/.exec(id)?.[0].length ?? id.length;
  const next = (letter: string) => {
    const set = ['0123456789', 'abcdef', 'ghijklmnopqrstuvwxyz'].find((one) => one.includes(letter))!;
    return set[(set.indexOf(letter) + 1) % set.length]!;
  };
  return id.slice(0, cut - 6) + id.slice(cut - 6, cut).replace(/[a-z0-9]/g, next) + id.slice(cut);
}

function transportsOf(document: string): readonly Transport[] {
  if (document.startsWith('subscription')) return ['stream by POST', 'stream by GET', 'WebSocket'];
  return document.startsWith('mutation') ? ['POST', 'stream by POST', 'WebSocket'] : transports;
}

const titled = table.map((row) => ({ ...row, title: row.document.replace(/\s+/g, ' ') }));

describe('of two accounts on one server', () => {
  let world: World;
  let a: Tenant;
  let b: Tenant;
  let wordsOfB: string[];

  beforeAll(async () => {
    world = await World.open({ CARILLON_WORKER_THREADS: '4' });
    const receiver = await world.receiver();
    receiver.answer((call, response) => {
      if (!call.path.endsWith('-slow')) response.writeHead(204).end();
    });
    const { engine } = world.app;
    const tenants = [await Tenant.open(world, 'eigen'), await Tenant.open(world, 'geheim')] as const;
    [a, b] = tenants;
    // Keys come in turns, so that the place of one among all would show.
    for (const n of [1, 2, 3]) {
      for (const { mark, account } of tenants)
        await engine.createApiKey(account, { name: `${mark}-${n}`, scopes: ['READ'], expiresAt: null });
    }
    for (const tenant of tenants) await tenant.furnish(receiver.url);
    wordsOfB = b.secrets(a);
  });
  afterAll(() => world.close());

  const put = (row: Row, as: Tenant, transport: Transport, x?: string) =>
    told(
      world.url,
      transport,
      {
        query: row.document,
        variables: { ...row.own?.(as.things), ...(x !== undefined && { x }) },
        authorization: as.authorization,
      },
      row.take,
    );

  /** The answer with a sign in place of what was named. */
  const about = async (row: Row, as: Tenant, transport: Transport, x: string) =>
    (await put(row, as, transport, x)).replaceAll(x, '◊');

  function expectNothingOf(words: readonly string[], answer: string): void {
    const found = words.filter((word) => answer.includes(word));
    expect(found, answer).toEqual([]);
  }

  // First: among the rows of the other table are some by which A comes to have what is named like something of B.
  const byRoute = Object.entries({ ...routes, ...dialectRows });
  const askRoute = async (name: string, { path, body }: RouteRow, as: Tenant, of: string) => {
    const { authorization } = as;
    const { status, text } = await send(world.app.url + path(of), {
      method: name.split(' ')[0]!,
      headers: { authorization, ...(body && { 'content-type': 'application/json' }) },
      ...(body && { body: JSON.stringify(body(of)) }),
    });
    // How long it took is all that may differ.
    const same = text.replace(/"timeTook":\d+/, '"timeTook":◊');
    return `${status} ${same}`.replaceAll(of || '◊', '◊');
  };

  it.each(byRoute)('%s tells nothing of B, and changes nothing of it', async (name, row) => {
    const before = b.rows();
    for (const of of row.x?.(b.things) ?? ['']) {
      const answer = await askRoute(name, row, a, of);
      expectNothingOf(wordsOfB, answer);
      if (of !== '')
        for (const never of neverWas(of)) expect(await askRoute(name, row, a, never)).toBe(answer);
    }
    expect(b.rows()).toEqual(before);
  });

  it.each(byRoute.filter(([, { x, blind }]) => x && !blind))(
    'its owner is told otherwise by %s',
    async (name, row) => {
      for (const of of row.x!(b.things)) {
        const never = await askRoute(name, row, b, neverWas(of)[0]!);
        expect(await askRoute(name, row, b, of)).not.toBe(never);
      }
    },
  );

  describe.each(titled)('$title', (row) => {
    it.each(transportsOf(row.document))("shows and changes nothing of B's by %s", async (transport) => {
      const before = b.rows();
      if (!row.x) expectNothingOf(wordsOfB, await put(row, a, transport));
      for (const x of row.x?.(b.things) ?? []) {
        const answer = await about(row, a, transport, x);
        expectNothingOf(wordsOfB, answer);
        for (const never of neverWas(x)) expect(await about(row, a, transport, never)).toBe(answer);
      }
      expect(b.rows()).toEqual(before);
    });
  });

  it('cursors of B are as good as damaged ones', async () => {
    const places = titled.filter(({ document }) => document.includes('$x: Cursor'));
    expect(places.length).toBeGreaterThan(0);
    for (const row of places) {
      for (const transport of transportsOf(row.document)) {
        const answer = await put(row, a, transport, b.things.cursors[0]!);
        expect(answer).toContain('"code":"CURSOR_INVALID"');
      }
    }
  });

  it('what B has is NOT_FOUND to who would follow it, and not waited for', async () => {
    const followed = titled.filter(({ document }) => /^subscription \(\$x: ID!?\)/.test(document));
    expect(followed.map(({ document }) => usesOf(schema, document).fields[0])).toEqual([
      'Subscription.job',
      'Subscription.jobEvents',
      'Subscription.deliveryAttempts',
    ]);
    for (const row of followed) {
      for (const transport of transportsOf(row.document))
        expect(await put(row, a, transport, row.x!(b.things)[0]!)).toContain('"code":"NOT_FOUND"');
    }
  });

  it.each(['stream by POST', 'stream by GET'] as const)(
    'a Last-Event-ID of B says nothing (%s)',
    async (transport) => {
      const ask = (id: string) =>
        told(
          world.url,
          transport,
          {
            query: 'subscription ($job: ID!) { jobEvents(jobId: $job) { type } }',
            variables: { job: a.things.jobs.last },
            authorization: a.authorization,
            headers: { 'last-event-id': id },
          },
          1,
        );
      const [cursor] = b.things.cursors;
      const answer = await ask(cursor!);
      expectNothingOf(wordsOfB, answer);
      for (const never of neverWas(cursor!)) expect(await ask(never)).toBe(answer);
    },
  );

  it('a path that is not served says the same of all ids', async () => {
    const ask = async (id: string) => {
      const { status, text } = await send(`${world.app.url}/jobs/${id}`, {
        method: 'GET',
        headers: { authorization: a.authorization },
      });
      return `${status} ${text}`.replaceAll(id, '◊');
    };
    const { completed } = b.things.jobs;
    expect(await ask(completed)).toBe(await ask(changed(completed)));
  });

  it('a key of idempotency that B has used makes a job of A alone', async () => {
    const submit = (as: Tenant) =>
      as.ask<{ runAlgorithm: { job: { id: string } | null; userErrors: unknown[] } }>(
        `mutation ($key: String) { runAlgorithm(input: { name: "echo", input: ["same"], idempotencyKey: $key }) { job { id } ${ERRORS} } }`,
        { key: 'of-both' },
      );
    const made = await submit(b);
    const own = await submit(a);
    expect(own.runAlgorithm.userErrors).toEqual([]);
    expect(own.runAlgorithm.job?.id).not.toBe(made.runAlgorithm.job?.id);
    expect(await submit(a)).toEqual(own);
    expect(await submit(b)).toEqual(made);
  });

  it.each([
    ['events', 'WebSocket'],
    ['events', 'stream by POST'],
    ['deliveryAttempts', 'WebSocket'],
    ['deliveryAttempts', 'stream by POST'],
  ] as const)('who follows all %s by %s hears nothing of what B does meanwhile', async (field, transport) => {
    const query = {
      events: 'subscription { events { id cursor type jobId job { id tags results { nodes { result } } } } }',
      deliveryAttempts: 'subscription { deliveryAttempts { outcome delivery { id url jobId body } } }',
    }[field];
    const heard: string[] = [];
    let wake: () => void = () => {};
    const leave = new AbortController();
    const asked = { query, authorization: a.authorization };
    const reading = (async () => {
      for await (const part of answers(world.url, transport, asked, leave.signal)) {
        if (isNext(part)) heard.push(part);
        wake();
      }
    })();
    const until = async (isTrue: () => boolean) => {
      while (!isTrue()) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    // It is open once something of A's own is heard.
    while (heard.length === 0) await a.run();
    const before = heard.length;
    const foreign = await b.run();
    await b.ping(b.things.webhooks.hook);
    await b.atRest();
    const own = await a.run();
    await until(() =>
      heard.slice(before).some((part) => part.includes(own) && /JOB_COMPLETED|outcome/.test(part)),
    );
    expect(heard.join('\n')).not.toContain(foreign);
    expectNothingOf(b.secrets(a), heard.join('\n'));
    leave.abort();
    await reading;
  });

  // Last, since it does to B's things what A could not.
  it.each(titled.filter(({ blind }) => !blind))('its owner is told otherwise by $title', async (row) => {
    const transport = row.document.startsWith('subscription') ? 'WebSocket' : 'POST';
    if (!row.x) {
      const answer = await put(row, b, transport);
      expect(
        wordsOfB.some((word) => answer.includes(word)),
        answer,
      ).toBe(true);
      return;
    }
    let answered = false;
    for (const x of row.x(b.things)) {
      const never = await about(row, b, transport, neverWas(x)[0]!);
      const asked = about(row, b, transport, x).finally(() => {
        answered = true;
      });
      while (row.stir && !answered) await row.stir(b);
      expect(await asked).not.toBe(never);
    }
  });
});
