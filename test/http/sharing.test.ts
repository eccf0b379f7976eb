import { afterEach, beforeEach, expect, test } from 'vitest';
import { createKey } from '../../src/app.js';
import { readConfig } from '../../src/config.js';
import { EventStream } from '../support/event-stream.js';
import { type Message, RawSocket } from '../support/raw-socket.js';
import { World } from '../support/world.js';

// Many who ask for the same may be served by one execution. Who asks must make no difference but to the work.

let world: World;
beforeEach(async () => {
  world = await World.open();
});
afterEach(() => world.close());

async function key(account: string, ...scopes: ('READ' | 'SUBMIT')[]): Promise<string> {
  const config = readConfig({ CARILLON_DATA_DIR: world.folder });
  const { key: made } = await createKey(config, { account, name: 'test', scopes, expiresAt: null });
  return `Bearer ${made}`;
}

async function submit(authorization: string, algorithmName: string): Promise<string> {
  const { data } = await world.graphql<{ submitDescriptor: { job: { id: string } } }>(
    'mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } } }',
    { d: { name: 'p', nodes: [{ nodeName: 'a', algorithmName, input: ['x'] }] } },
    { authorization },
  );
  return data!.submitDescriptor.job.id;
}

const socketOf = (authorization: string) => RawSocket.ready(world.url, { authorization });
const streamOf = (authorization: string, query: string, variables: object = {}) =>
  EventStream.open(world.url, { query, variables, headers: { authorization } });

const JOB_EVENTS = 'subscription ($id: ID!) { jobEvents(jobId: $id) { sequence type } }';

test('another account is not let into a stream that runs, though it asks in the same words', async () => {
  const [mine, theirs] = [await key('mine', 'READ', 'SUBMIT'), await key('theirs', 'READ', 'SUBMIT')];
  const id = await submit(mine, 'hang');
  const socket = await socketOf(mine);
  socket.subscribe('1', JOB_EVENTS, { id });
  expect(await socket.next('1')).toMatchObject({ type: 'next' });
  const stream = await streamOf(mine, JOB_EVENTS, { id });
  expect((await stream.event())!.event).toBe('next');

  const notFound = [{ extensions: { code: 'NOT_FOUND' } }];
  expect(await (await socketOf(theirs)).run('1', JOB_EVENTS, { id })).toMatchObject([
    { type: 'error', payload: notFound },
  ]);
  const [answer] = await (await streamOf(theirs, JOB_EVENTS, { id })).rest();
  expect(JSON.parse(answer!.data!)).toMatchObject({ errors: notFound });

  await world.graphql(
    'mutation ($id: ID!) { cancelJob(input: { id: $id }) { userErrors { code } } }',
    { id },
    { authorization: mine },
  );
  expect((await socket.rest('1')).at(-1)).toMatchObject({ type: 'complete' });
  expect((await stream.rest()).at(-1)).toMatchObject({ event: 'complete' });
});

test('a key that may not read is not let into a stream of its own account', async () => {
  const [reader, submitter] = [await key('mine', 'READ'), await key('mine', 'SUBMIT')];
  const id = await submit(submitter, 'hang');
  const socket = await socketOf(reader);
  socket.subscribe('1', JOB_EVENTS, { id });
  expect(await socket.next('1')).toMatchObject({ type: 'next' });

  const forbidden = [{ extensions: { code: 'FORBIDDEN' } }];
  const messages = await (await socketOf(submitter)).run('1', JOB_EVENTS, { id });
  const payload = messages[0]!.payload as { errors?: unknown };
  expect(Array.isArray(payload) ? payload : payload.errors).toMatchObject(forbidden);
  const [answer] = await (await streamOf(submitter, JOB_EVENTS, { id })).rest();
  expect(JSON.parse(answer!.data!)).toMatchObject({ errors: forbidden });
});

test('two accounts that follow everything in the same words are each told of their own jobs', async () => {
  const query = 'subscription { events(filter: { types: [JOB_COMPLETED] }) { jobId } }';
  const readers = await Promise.all(
    ['mine', 'theirs'].map(async (account) => {
      const authorization = await key(account, 'READ', 'SUBMIT');
      const socket = await socketOf(authorization);
      socket.subscribe('1', query);
      const stream = await streamOf(authorization, query);
      // Answered behind the subscription: from now on nothing is missed.
      await socket.run('2', '{ __typename }');
      return { authorization, socket, stream };
    }),
  );
  const jobs: string[] = [];
  for (const { authorization } of readers) jobs.push(await submit(authorization, 'echo'));
  for (const [index, { socket, stream }] of readers.entries()) {
    const events = { jobId: jobs[index] };
    expect((await socket.next('1')).payload).toEqual({ data: { events } });
    expect(JSON.parse((await stream.event())!.data!)).toEqual({ data: { events } });
  }
});

test('readers that come at different times to one running job each see all of it, in order', async () => {
  const id = await world.submit({
    name: 'p',
    nodes: [{ nodeName: 'a', algorithmName: 'nap', input: [`#[${Array(20).fill(5).join(',')}]`] }],
  });
  const first = await RawSocket.ready(world.url);
  first.subscribe('0', JOB_EVENTS, { id });
  const reading: Promise<object[]>[] = [];
  const told = (messages: Message[]) =>
    messages.flatMap(({ type, payload }) => (type === 'next' ? [(payload as { data: object }).data] : []));
  const seen: Message[] = [];
  for (let message = await first.next('0'); ; message = await first.next('0')) {
    seen.push(message);
    if (message.type !== 'next') break;
    // At each event of the first ten another reader on this socket's server: by turns another way in.
    if (seen.length > 10) continue;
    reading.push(
      seen.length % 2 === 0
        ? RawSocket.ready(world.url)
            .then((socket) => socket.run('1', JOB_EVENTS, { id }))
            .then(told)
        : EventStream.open(world.url, { query: JOB_EVENTS, variables: { id } })
            .then((stream) => stream.rest())
            .then((blocks) =>
              blocks.slice(0, -1).map(({ data }) => (JSON.parse(data!) as { data: object }).data),
            ),
    );
  }
  const log = (await world.ended(id)).map(({ sequence, type }) => ({ jobEvents: { sequence, type } }));
  expect(told(seen)).toEqual(log);
  for (const others of await Promise.all(reading)) expect(others).toEqual(log);
});
