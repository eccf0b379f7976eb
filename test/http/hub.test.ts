import fc from 'fast-check';
import { buildSchema, type GraphQLSchema, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import { type Context, createContext } from '../../schema/context.js';
import { createSchema } from '../../schema/schema.js';
import { createFeedReader } from '../../src/engine/feed-reader.js';
import type { Parts } from '../../src/engine/parts.js';
import type { Source } from '../../src/engine/source.js';
import type { EventType, LoggedEvent } from '../../src/event.js';
import { encodeCursor } from '../../src/feed.js';
import { Hub } from '../../src/http/hub.js';
import { createMasking } from '../../src/http/masking.js';
import type { Sink } from '../../src/http/sink.js';
import { memoryBus } from '../../src/memory/bus.js';
import type { Store } from '../../src/store.js';
import type { Viewer } from '../../src/viewer.js';
import { ACCOUNT, job, recordingLog, viewer } from '../support/api.js';
import { VirtualClock } from '../support/clock.js';
import { fake } from '../support/fake.js';
import { later, source } from '../support/http.js';
import { FakeLog } from '../support/log.js';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';
const schema = createSchema();
const EVENTS = 'subscription { events { cursor sequence } }';
const JOB_EVENTS = 'subscription { jobEvents(jobId: "x") { cursor } }';

/** A client that takes as much as a test lets it. */
class Client implements Sink {
  texts: string[] = [];
  ended: { code: unknown } | 'complete' | null = null;
  room = Number.POSITIVE_INFINITY;
  /** Asked whether it takes more. */
  asked = 0;
  /** Writes to its connection. */
  writes = 0;
  gone = false;
  private together_ = false;
  private waiting: (() => void)[] = [];

  ready = () => {
    this.asked++;
    return this.room > 0;
  };
  whenReady = (callback: () => void) => void this.waiting.push(callback);
  send = ({ text }: { text: string }) => {
    expect(this.ended).toBeNull();
    // Thrown here it would be the hub's to handle: the test looks at what came.
    if (this.gone) this.texts.push('sent to one who had left');
    this.room--;
    if (!this.together_) this.writes++;
    this.texts.push(text);
  };
  together = (run: () => void) => {
    this.writes++;
    this.together_ = true;
    run();
    this.together_ = false;
  };
  end = (error: { extensions: Record<string, unknown> } | null) => {
    this.ended = error === null ? 'complete' : { code: error.extensions['code'] };
  };
  take(room: number): void {
    this.room = room;
    const callbacks = this.waiting;
    this.waiting = [];
    for (const callback of callbacks) callback();
  }
  get cursors(): string[] {
    return this.texts.map((text) => {
      const [only] = Object.values((JSON.parse(text) as { data: Record<string, { cursor: string }> }).data);
      return only!.cursor;
    });
  }
}

interface Asked {
  variables?: Record<string, unknown>;
  as?: Viewer;
  of?: GraphQLSchema;
}

function hubOf(store: Partial<Store>, clock = new VirtualClock()) {
  const log = recordingLog();
  const bus = memoryBus((error) => {
    throw error;
  });
  const filled = fake<Store>('store', store);
  const reader = createFeedReader(fake<Parts>('parts', { store: filled, bus, clock, log }));
  const context = (who: Viewer, requestId = 'r1'): Context =>
    createContext({
      viewer: who,
      requestId,
      lastEventId: null,
      engine: fake('engine', {}),
      store: filled,
      quotas: fake('quotas', {}),
      now: () => clock.now(),
    });
  const hub = new Hub({ ...createMasking(log), clock, contextFor: context, observeLag() {} });
  const follow = (
    followed: Source<unknown>,
    document = EVENTS,
    client = new Client(),
    { variables = {}, as = viewer('READ'), of = schema }: Asked = {},
  ) => {
    const args = {
      schema: of,
      document: parse(document),
      variableValues: variables,
      contextValue: context(as),
    };
    const { leave } = hub.follow(followed, args, client);
    return Object.assign(client, {
      leave() {
        leave();
        client.gone = true;
      },
    });
  };
  return { hub, bus, reader, follow, clock, log };
}

/** Lets everything that was set off come to rest. */
async function rest(turns = 60): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
}

const cursor = ({ position }: LoggedEvent) => encodeCursor(ACCOUNT.id, position);

type Step =
  | { do: 'commit'; job: number; last: boolean; count: number; heard: 'yes' | 'late' | 'lost' | 'twice' }
  | { do: 'join'; from: number; of: 'all' | 'completed' | 1 | 2 | 3; some: boolean; room: number }
  | { do: 'take'; which: number; room: number }
  | { do: 'leave'; which: number }
  | { do: 'retain'; upTo: number }
  | { do: 'break'; reads: number }
  | { do: 'pass' };

const anyJob = fc.constantFrom(1, 2, 3);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      job: anyJob,
      last: fc.boolean(),
      count: fc.integer({ min: 1, max: 150 }),
      heard: fc.constantFrom('yes', 'yes', 'yes', 'late', 'lost', 'twice'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('join' as const),
      from: fc.double({ min: -0.2, max: 1, noNaN: true }),
      of: fc.constantFrom<'all' | 'completed' | 1 | 2 | 3>('all', 'all', 'completed', 1, 2, 3),
      some: fc.boolean(),
      room: fc.constantFrom(0, 1, 20, Number.POSITIVE_INFINITY),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('take' as const),
      which: fc.nat(20),
      room: fc.constantFrom(1, 30, 500),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat(20) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('retain' as const),
      upTo: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('break' as const), reads: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass' as const) }) },
);

interface Joined {
  client: Client & { leave(): void };
  /** Position it began after. */
  from: number;
  /** Began at the present, which reaches back to what the bus has not told yet. */
  now: boolean;
  wanted(event: LoggedEvent): boolean;
  endsWithJob: number | null;
  left: boolean;
}

/** Plays the steps; afterwards everybody must have got the log from where he began: all of it, once, in order. */
async function play(steps: Step[], turns: () => number): Promise<void> {
  const log = new FakeLog(turns);
  const { reader, follow, bus, clock } = hubOf({ events: log.events, jobEvents: log.jobEvents });
  const joined: Joined[] = [];
  const late: LoggedEvent[][] = [];
  const ended = new Set<number>();
  let broken = false;

  for (const one of steps) {
    if (one.do === 'commit' && !ended.has(one.job)) {
      const types: EventType[] = Array.from({ length: one.count }, (_, index) =>
        index % 3 === 0 ? 'TASK_PROGRESS' : 'JOB_PROGRESS',
      );
      if (one.last) {
        types.push('JOB_COMPLETED');
        ended.add(one.job);
      }
      const events = types.map((type) => log.append(one.job, type));
      if (one.heard === 'late') late.push(events);
      else if (one.heard !== 'lost') log.publish(bus, events);
      if (one.heard === 'twice') log.publish(bus, events);
    } else if (one.do === 'join') {
      const from = one.from < 0 ? null : Math.floor(one.from * log.head);
      const after = from === null ? null : encodeCursor(ACCOUNT.id, from);
      const client = new Client();
      client.room = one.room;
      if (typeof one.of === 'number') {
        // A job that is not there yet cannot be followed.
        if (!log.events_.some((made) => made.job?.number === one.of)) continue;
        const types: EventType[] | null = one.some ? ['TASK_PROGRESS'] : null;
        const followed = reader.jobEvents(ACCOUNT.id, job(one.of).id, after, types);
        const number = one.of;
        joined.push({
          client: follow(followed, JOB_EVENTS, client),
          from: from ?? 0,
          now: false,
          wanted: (made) => made.job?.number === number && (types === null || types.includes(made.type)),
          endsWithJob: number,
          left: false,
        });
      } else {
        const completed = one.of === 'completed';
        const filter = completed ? { types: ['JOB_COMPLETED' as const] } : {};
        const followed = reader.events(ACCOUNT.id, filter, after);
        // Where it begins is only known once it has begun: from now on.
        await rest(from === null ? 5 : 0);
        joined.push({
          client: follow(followed, EVENTS, client),
          from: from ?? log.head,
          now: from === null,
          wanted: (made) => !completed || made.type === 'JOB_COMPLETED',
          endsWithJob: null,
          left: false,
        });
      }
    } else if (one.do === 'take') {
      joined[one.which % Math.max(1, joined.length)]?.client.take(one.room);
    } else if (one.do === 'leave') {
      const someone = joined[one.which % Math.max(1, joined.length)];
      if (someone) {
        someone.client.leave();
        someone.left = true;
      }
    } else if (one.do === 'break') {
      log.failing += one.reads;
      broken = true;
    } else if (one.do === 'retain') {
      // Whole ended jobs only; here simply what lies before any job that goes on.
      const open = log.events_.find((made) => !ended.has(made.job!.number))?.position ?? log.head + 1;
      log.tail = Math.max(log.tail, Math.min(Math.floor(one.upTo * log.head), open - 1));
    } else {
      await rest(2);
    }
  }
  log.failing = 0;
  for (const events of late) log.publish(bus, events);
  for (const { client } of joined) client.take(Number.POSITIVE_INFINITY);
  // Longer than the poll that finds what the bus lost.
  for (let round = 0; round < 6; round++) {
    await rest();
    await clock.advance(1_000);
  }
  await rest(200);

  for (const { client, from: asked, now, wanted, endsWithJob, left } of joined) {
    const got = client.cursors;
    const first = log.events_.findIndex((made) => cursor(made) === got[0]);
    const from = now && first >= 0 ? Math.min(asked, first) : asked;
    const owed = log.events_.filter((made) => made.position > from && wanted(made)).map(cursor);
    expect(got).toEqual(owed.slice(0, got.length));
    if (left) continue;
    // It was told that the log could not be read, and resumes.
    if (broken && typeof client.ended === 'object' && client.ended?.code === 'INTERNAL') continue;
    if (client.ended !== null && client.ended !== 'complete') {
      // Retention has overtaken it: said, and only where it is true.
      expect(client.ended).toEqual({ code: 'CURSOR_EXPIRED' });
      const lastSeen =
        got.length > 0 ? log.events_.findIndex((made) => cursor(made) === got.at(-1)) + 1 : from;
      expect(lastSeen).toBeLessThan(log.tail);
      continue;
    }
    expect(got).toEqual(owed);
    if (endsWithJob !== null) expect(client.ended).toBe(ended.has(endsWithJob) ? 'complete' : null);
    client.leave();
  }
}

describe('the hub', () => {
  it('never skips and never repeats, however replay, live events, lost messages, stalls and retention mix', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 40 }),
        fc.array(fc.nat(3), { minLength: 1, maxLength: 20 }),
        async (steps, delays) => {
          let at = 0;
          await play(steps, () => delays[at++ % delays.length]!);
        },
      ),
      { numRuns: heavy ? 1_000 : 40 },
    );
  });

  /** A log with so many events of job 1, and what follows it. */
  function logged(count: number, turns: () => number = () => 0) {
    const log = new FakeLog(turns);
    for (let at = 0; at < count; at++) log.append(1, 'JOB_PROGRESS');
    const parts = hubOf({ events: log.events, jobEvents: log.jobEvents, job: async () => job(1) });
    return { ...parts, log };
  }
  const place = (position: number) => encodeCursor(ACCOUNT.id, position);

  it('runs an operation once for all that ask the same, live and replayed, and hands them one string', async () => {
    const { log, bus, reader, follow, hub } = logged(300);
    const document = 'subscription ($after: Cursor) { events(after: $after) { cursor } }';
    const spaced = 'subscription($after:Cursor){ # the same\n events(after:$after){cursor} }';
    const clients = [0, 0, 50, 120, 299].map((from, index) =>
      follow(reader.events(ACCOUNT.id, {}, place(from)), index === 1 ? spaced : document, new Client(), {
        variables: { after: place(from) },
      }),
    );
    await rest();
    log.publish(bus, [log.append(1, 'JOB_PROGRESS')]);
    await rest();
    expect(clients.map(({ texts }) => texts.length)).toEqual([301, 301, 251, 181, 2]);
    const all = clients[0]!.cursors;
    for (const { cursors } of clients) expect(cursors).toEqual(all.slice(all.length - cursors.length));
    expect(hub.state()).toMatchObject({ groups: 1, subscribers: 5, behind: 0, executed: 301, sent: 1036 });
  });

  it('keeps apart whose answers may differ: by document, variables, scopes, topic and account', async () => {
    const { reader, follow, hub } = logged(3);
    const of = (types?: EventType[]) => reader.events(ACCOUNT.id, types ? { types } : {}, place(0));
    const one = 'subscription ($x: Boolean!) { events { cursor sequence @include(if: $x) } }';
    follow(of(), one, new Client(), { variables: { x: true } });
    follow(of(), one, new Client(), { variables: { x: true, unused: 1 } });
    expect(hub.state().groups).toBe(1);
    follow(of(), one, new Client(), { variables: { x: false } });
    follow(of(['JOB_PROGRESS']), one, new Client(), { variables: { x: true } });
    follow(of(), EVENTS);
    follow(of(), EVENTS, new Client(), { as: viewer('READ', 'ADMIN') });
    const other = { ...viewer('READ'), account: { ...ACCOUNT, id: 'acc_2' } };
    follow(of(), EVENTS, new Client(), { as: other });
    expect(hub.state().groups).toBe(6);
    await rest();
  });

  it('keeps apart a variable that is not given, one that is null, and values that look alike', async () => {
    const { reader, follow, hub } = logged(3);
    const named = 'subscription ($toString: Boolean = true) { events { cursor @include(if: $toString) } }';
    const clients = [{}, { toString: null }].map((variables) =>
      follow(reader.events(ACCOUNT.id, {}, place(0)), named, new Client(), { variables }),
    );
    await rest();
    const [all, failing] = clients.map(({ texts }) => texts.map((text) => 'errors' in JSON.parse(text)));
    expect(all).toEqual([false, false, false]);
    expect(failing).toEqual([true, true, true]);
    const groups = hub.state().groups;
    for (const x of [{}, [], { a: 1 }, [['a', 1]], { entries: [] }]) {
      follow(
        reader.events(ACCOUNT.id, {}, place(0)),
        'subscription ($x: JSON) { events { cursor } }',
        new Client(),
        {
          variables: { x },
        },
      );
    }
    expect(hub.state().groups).toBe(groups + 5);
    await rest();
  });

  it('counts a variable that is more than the place to begin', async () => {
    const { reader, follow, hub } = logged(3);
    const document =
      'subscription ($after: Cursor) { events(after: $after) { cursor job { events(after: $after) { nodes { cursor } } } } }';
    for (const from of [0, 1]) {
      follow(reader.events(ACCOUNT.id, {}, place(from)), document, new Client(), {
        variables: { after: place(from) },
      });
    }
    expect(hub.state().groups).toBe(2);
    await rest();
  });

  it('runs what depends on the key for each key, and lets nothing else see one', async () => {
    const { follow, hub, log } = logged(0);
    const custom = buildSchema(
      'type Query { a: Int } type Subscription { tick: Tick } type Tick { n: Int mine: String theirs: String }',
    );
    const { mine, theirs } = (custom.getType('Tick') as unknown as { getFields(): Fields }).getFields();
    const keyOf = (_tick: unknown, _args: unknown, { viewer: { apiKey } }: Context) => apiKey?.id;
    Object.assign(mine!, { resolve: keyOf, extensions: { perViewer: true } });
    Object.assign(theirs!, { resolve: keyOf });
    Object.assign(custom.getSubscriptionType()!.getFields()['tick']!, { resolve: (tick: unknown) => tick });
    const keyed = (id: string) => ({ ...viewer('READ'), apiKey: { id } }) as Viewer;
    const ticks = source([{ n: 1 }]);
    const ask = (document: string, id: string) =>
      follow(ticks.source, document, new Client(), { of: custom, as: keyed(id) });
    const apart = ['key_1', 'key_2'].map((id) => ask('subscription { tick { n mine } }', id));
    const leaking = ['key_1', 'key_2'].map((id) => ask('subscription { tick { n theirs } }', id));
    expect(hub.state().groups).toBe(3);
    await rest();
    expect(apart.map(({ texts }) => JSON.parse(texts[0]!).data.tick.mine)).toEqual(['key_1', 'key_2']);
    for (const { texts } of leaking) {
      expect(JSON.parse(texts[0]!)).toMatchObject({
        data: { tick: { n: 1, theirs: null } },
        errors: [{ message: 'Unexpected error.', extensions: { code: 'INTERNAL' } }],
      });
    }
    expect(log).toBeDefined();
  });

  it('looks at the present again where a document shows it, once a burst', async () => {
    let number = 0;
    const log = new FakeLog();
    log.append(1, 'JOB_PENDING');
    const parts = { events: log.events, job: async () => job(1, { number: ++number }) };
    const { reader, follow, clock } = hubOf(parts);
    const document = 'subscription { events { cursor job { number } } }';
    const replay = () => follow(reader.events(ACCOUNT.id, {}, place(0)), document);
    const [a, b] = [replay(), replay()];
    await rest();
    await clock.advance(101);
    const c = replay();
    await rest();
    // A clock that is set back makes nothing new again.
    await clock.advance(-3_600_000);
    const d = replay();
    await rest();
    const shown = [a, b, c, d].map(({ texts }) => JSON.parse(texts[0]!).data.events.job.number);
    expect(shown).toEqual([1, 1, 2, 3]);
  });

  it('rests while nothing happens: who follows a quiet job of a busy account reads it once', async () => {
    const { log, reader, follow, hub, bus } = logged(5);
    for (let count = 0; count < 50; count++) log.append(2, 'JOB_PROGRESS');
    const client = follow(reader.jobEvents(ACCOUNT.id, job(1).id, null, null), JOB_EVENTS);
    await rest();
    expect(client.texts).toHaveLength(5);
    expect(hub.state().behind).toBe(0);
    const { reads } = log;
    // Opening the feed, and the one page.
    expect(reads).toBe(2);
    log.publish(bus, [log.append(2, 'JOB_PROGRESS')]);
    await rest();
    expect(log.reads).toBe(reads);
  });

  it('tries anew for who comes after a failure, though those that it struck are not told yet', async () => {
    const log = new FakeLog();
    log.append(1, 'JOB_PENDING');
    let broken = true;
    const { reader, follow, hub } = hubOf({
      events: (...asked) => (broken ? Promise.reject(new Error('the disk is gone')) : log.events(...asked)),
    });
    const ask = () => follow(reader.events(ACCOUNT.id, {}, place(0)));
    const struck = ask();
    for (let step = 0; step < 20; step++) await null;
    expect(struck.ended).toBeNull();
    broken = false;
    const next = ask();
    await rest();
    expect(struck.ended).toEqual({ code: 'INTERNAL' });
    expect(next.ended).toBeNull();
    expect(next.texts).toHaveLength(1);
    expect(hub.state()).toMatchObject({ groups: 1, subscribers: 1 });
    next.leave();
    expect(hub.state().groups).toBe(0);
  });

  it('begins at the present where nothing else is asked for: the moment of joining, however long the line', async () => {
    const { log, bus, reader, follow } = logged(10);
    const [early, late] = [new Client(), new Client()];
    follow(reader.events(ACCOUNT.id, {}, null), EVENTS, early);
    await rest();
    const told = [log.append(1, 'JOB_PROGRESS')];
    log.publish(bus, told);
    // The line is not served yet.
    follow(reader.events(ACCOUNT.id, {}, null), EVENTS, late);
    const after = [log.append(1, 'JOB_PROGRESS')];
    log.publish(bus, after);
    await rest();
    expect(early.cursors).toEqual([...told, ...after].map(cursor));
    expect(late.cursors).toEqual(after.map(cursor));
  });

  it('asks the log for each newcomer, also beside others who follow and where nothing is to be caught up with', async () => {
    const { log, bus, reader, follow } = logged(10);
    const good = follow(reader.events(ACCOUNT.id, {}, place(10)));
    await rest();
    log.publish(bus, [log.append(1, 'JOB_PROGRESS')]);
    await rest();
    const future = follow(reader.events(ACCOUNT.id, {}, place(12)));
    const none = follow(reader.jobEvents(ACCOUNT.id, job(9).id, place(11), null), JOB_EVENTS);
    log.tail = 10;
    const removed = follow(reader.events(ACCOUNT.id, {}, place(9)));
    await rest();
    expect(future.ended).toEqual({ code: 'CURSOR_INVALID' });
    expect(none.ended).toEqual({ code: 'NOT_FOUND' });
    expect(removed.ended).toEqual({ code: 'CURSOR_EXPIRED' });
    expect([good.ended, good.texts.length]).toEqual([null, 1]);
  });

  it('says so where events are removed before they could be told', async () => {
    const { log, reader, follow, clock } = logged(1);
    const ofAll = follow(reader.events(ACCOUNT.id, {}, null));
    const ofJob = follow(reader.jobEvents(ACCOUNT.id, job(1).id, place(1), null), JOB_EVENTS);
    await rest();
    log.append(2, 'JOB_COMPLETED');
    log.append(1, 'JOB_PROGRESS');
    log.tail = 2;
    await clock.advance(1_000);
    expect([ofAll.texts, ofAll.ended]).toEqual([[], { code: 'CURSOR_EXPIRED' }]);
    // Of a job that is still there nothing is missing.
    expect([ofJob.cursors, ofJob.ended]).toEqual([[place(3)], null]);
  });

  it('reads anew what could not be read, though somebody still catches up', async () => {
    const log = new FakeLog();
    for (let at = 0; at < 300; at++) log.append(1, 'JOB_PROGRESS');
    const held = later<void>();
    const { reader, follow } = hubOf({
      events: async (...asked) => {
        const page = await log.events(...asked);
        if (asked[2] === 200) await held.promise;
        return page;
      },
    });
    const ask = (from: number) => follow(reader.events(ACCOUNT.id, {}, place(from)));
    const slow = ask(200);
    await rest();
    log.failing = 1;
    const struck = ask(0);
    await rest();
    const next = ask(0);
    await rest();
    expect(struck.ended).toEqual({ code: 'INTERNAL' });
    expect(next.texts).toHaveLength(200);
    held.resolve();
    await rest();
    expect([slow, next].map(({ texts }) => texts.length)).toEqual([100, 300]);
  });

  it('leaves one who does not read alone until he does, and counts who is left', async () => {
    const { log, bus, reader, follow, hub } = logged(300);
    const [stuck, other] = [new Client(), new Client()];
    stuck.room = 20;
    follow(reader.events(ACCOUNT.id, {}, place(0)), EVENTS, stuck);
    const leaving = follow(reader.events(ACCOUNT.id, {}, place(0)), EVENTS, other);
    await rest();
    const { asked } = stuck;
    await rest();
    log.publish(bus, [log.append(1, 'JOB_PROGRESS')]);
    await rest();
    expect([stuck.asked, stuck.texts.length]).toEqual([asked, 20]);
    expect(hub.state()).toMatchObject({ subscribers: 2, behind: 1, stalled: 1 });
    leaving.leave();
    expect(hub.state()).toMatchObject({ subscribers: 1, behind: 1 });
    log.publish(bus, [log.append(1, 'JOB_PROGRESS')]);
    await rest();
    expect(other.texts).toHaveLength(301);
    stuck.take(1_000);
    await rest();
    expect(stuck.cursors).toEqual(log.events_.map(cursor));
    expect(hub.state()).toMatchObject({ subscribers: 1, behind: 0, stalled: 1 });
  });

  it('writes what it has for one client in a few pieces', async () => {
    const { log, bus, reader, follow } = logged(300);
    const client = follow(reader.events(ACCOUNT.id, {}, place(0)));
    await rest();
    expect([client.texts.length, client.writes < 20]).toEqual([300, true]);
    const { writes } = client;
    log.publish(
      bus,
      Array.from({ length: 60 }, () => log.append(1, 'JOB_PROGRESS')),
    );
    await rest();
    expect([client.texts.length, client.writes]).toEqual([360, writes + 1]);
  });

  it('sends nothing to one who leaves while others are sent to, or while his page is made', async () => {
    const { log, bus, reader, follow } = logged(100);
    const [first, second] = [100, 100].map((from) => follow(reader.events(ACCOUNT.id, {}, place(from))));
    await rest();
    const { send } = first!;
    first!.send = (rendered) => {
      send(rendered);
      second!.leave();
    };
    log.publish(bus, [log.append(1, 'JOB_PROGRESS')]);
    await rest();
    expect([first, second].map((client) => client!.texts.length)).toEqual([1, 0]);
    for (let turns = 0; turns < 12; turns++) {
      const late = follow(reader.events(ACCOUNT.id, {}, place(0)));
      for (let step = 0; step < turns; step++) await null;
      const had = late.texts.length;
      late.leave();
      await rest(5);
      expect(late.texts).toHaveLength(had);
    }
  });

  it('ends those whose stream breaks in the middle: they resume, and nobody waits for ever', async () => {
    const { log, bus, reader, follow, hub } = logged(1);
    const [broken, beside] = [
      follow(reader.events(ACCOUNT.id, {}, place(1))),
      follow(reader.events(ACCOUNT.id, {}, place(1))),
    ];
    await rest();
    broken.send = () => {
      throw new Error('a bug');
    };
    log.publish(bus, [log.append(1, 'JOB_PROGRESS')]);
    await rest();
    expect([broken.ended, beside.ended]).toEqual([{ code: 'INTERNAL' }, { code: 'INTERNAL' }]);
    expect(hub.state()).toMatchObject({ groups: 0, subscribers: 0 });
  });

  it('lets others have their turn while much that was told at once goes out', async () => {
    const { log, reader, follow, bus } = logged(1);
    const client = follow(reader.events(ACCOUNT.id, {}, place(1)));
    await rest();
    log.publish(
      bus,
      Array.from({ length: 1_000 }, () => log.append(1, 'JOB_PROGRESS')),
    );
    const seen: number[] = [];
    while (client.texts.length < 1_000) {
      await new Promise((resolve) => setImmediate(resolve));
      seen.push(client.texts.length);
    }
    // Some were sent, others not, and the event loop was free.
    expect(seen.filter((count) => count > 0 && count < 1_000).length).toBeGreaterThan(0);
    expect(client.cursors).toEqual(log.events_.slice(1).map(cursor));
  });

  it('lets go of everything once nobody follows', async () => {
    const { reader, follow, hub, bus, log, clock } = logged(10);
    const clients = [0, 5].map((from) => follow(reader.events(ACCOUNT.id, {}, place(from))));
    await rest();
    for (const { leave } of clients) leave();
    expect(hub.state()).toMatchObject({ groups: 0, subscribers: 0, behind: 0 });
    const reads = log.reads;
    log.publish(bus, [log.append(1, 'JOB_PROGRESS')]);
    await clock.advance(5_000);
    expect(log.reads).toBe(reads);
    expect(clients.map(({ texts }) => texts.length)).toEqual([10, 5]);
  });

  it('shows a job as it is now, at most once an interval, to one who does not read the newest state alone', async () => {
    const log = new FakeLog();
    let state = job(1, { position: 0 });
    const change = (bus: Parameters<typeof log.publish>[0], last = false) => {
      const made = log.append(1, last ? 'JOB_COMPLETED' : 'JOB_PROGRESS');
      state = job(1, {
        position: made.position,
        number: made.position,
        status: last ? 'COMPLETED' : 'ACTIVE',
      });
      log.publish(bus, [made]);
    };
    const { reader, follow, bus, clock } = hubOf({ events: log.events, job: async () => state });
    const document = 'subscription { job(id: "x") { number } }';
    const numbers = ({ texts }: Client) => texts.map((text) => JSON.parse(text).data.job.number);
    const prompt = follow(reader.job(ACCOUNT.id, state.id, 250), document);
    const slow = follow(reader.job(ACCOUNT.id, state.id, 250), document);
    await rest();
    slow.room = 0;
    for (let count = 0; count < 4; count++) change(bus);
    await rest();
    expect(numbers(prompt)).toEqual([1]);
    await clock.advance(249);
    expect(numbers(prompt)).toEqual([1]);
    await clock.advance(1);
    expect(numbers(prompt)).toEqual([1, 4]);
    change(bus);
    await clock.advance(250);
    change(bus, true);
    await clock.advance(250);
    expect(numbers(prompt)).toEqual([1, 4, 5, 6]);
    expect(prompt.ended).toBe('complete');
    slow.take(10);
    await rest();
    expect(numbers(slow)).toEqual([1, 6]);
    expect(slow.ended).toBe('complete');
    expect(clock.timers()).toBe(0);
  });

  it('leaves no timer of one who has left while it was too soon', async () => {
    const log = new FakeLog();
    const state = job(1, { position: 0 });
    const { reader, follow, bus, clock } = hubOf({ events: log.events, job: async () => state });
    const client = follow(reader.job(ACCOUNT.id, state.id, 250), 'subscription { job(id: "x") { number } }');
    await rest();
    log.publish(bus, [log.append(1, 'JOB_PROGRESS')]);
    await rest();
    // The poll's, and his.
    expect(clock.timers()).toBe(2);
    client.leave();
    expect(clock.timers()).toBe(0);
  });

  it('makes nobody wait for a clock that was set back', async () => {
    const log = new FakeLog();
    let state = job(1, { position: 0 });
    const { reader, follow, bus, clock } = hubOf({ events: log.events, job: async () => state });
    const client = follow(reader.job(ACCOUNT.id, state.id, 250), 'subscription { job(id: "x") { number } }');
    await rest();
    await clock.advance(-3_600_000);
    const made = log.append(1, 'JOB_PROGRESS');
    state = job(1, { position: made.position });
    log.publish(bus, [made]);
    await clock.advance(250);
    expect(client.texts).toHaveLength(2);
  });

  it('reads from the log what comes faster than it can be sent', async () => {
    const { log, bus, reader, hub, follow } = logged(1);
    let release: () => void = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slowSchema = buildSchema(
      'type Query { a: Int } type Subscription { events: E } type E { cursor: String }',
    );
    const fields = (slowSchema.getType('E') as unknown as { getFields(): Fields }).getFields();
    Object.assign(fields['cursor']!, {
      resolve: async ({ position }: LoggedEvent) => {
        await held;
        return place(position);
      },
    });
    Object.assign(slowSchema.getSubscriptionType()!.getFields()['events']!, { resolve: (e: unknown) => e });
    const client = follow(
      reader.events(ACCOUNT.id, {}, place(1)),
      'subscription { events { cursor } }',
      new Client(),
      { of: slowSchema },
    );
    await rest();
    for (let count = 0; count < 30; count++) {
      log.publish(
        bus,
        Array.from({ length: 100 }, () => log.append(1, 'JOB_PROGRESS')),
      );
      await rest(2);
    }
    expect(hub.state().dropped).toBeGreaterThan(1_000);
    release();
    await rest(400);
    expect(client.cursors).toEqual(log.events_.slice(1).map(cursor));
  });
});

type Fields = Record<string, object>;
