import { afterEach, describe, expect, test } from 'vitest';
import {
  type CommandIo,
  type ReceivedCall,
  type ReceiverOptions,
  type RunningReceiver,
  receiverCommand,
  runReceiver,
} from '../../src/cli/receiver.js';
import { sign } from '../../src/deliver/sign.js';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
const AT = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
const SECONDS = Math.floor(AT / 1000);

let receiver: RunningReceiver | undefined;
afterEach(() => receiver?.close());

async function started(options: Partial<ReceiverOptions> = {}) {
  const lines: string[] = [];
  const calls: ReceivedCall[] = [];
  receiver = await runReceiver({
    port: 0,
    print: (line) => lines.push(line),
    onCall: (call) => calls.push(call),
    now: () => AT,
    ...options,
  });
  return { url: receiver.url, lines, calls };
}

function post(url: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  const carillon = {
    'webhook-id': 'evt_a1_1_1',
    'webhook-timestamp': String(SECONDS),
    'x-carillon-event': 'job.completed',
    'x-carillon-job-id': 'batch:1',
    'x-carillon-attempt': '2',
  };
  return fetch(url, { method: 'POST', body, headers: { ...carillon, ...headers } });
}

describe('the receiver', () => {
  test('prints a call and whether its signature is right', async () => {
    const { url, lines, calls } = await started({ secret: SECRET });
    const body = '{"n":1}';
    const response = await post(url, body, {
      'webhook-signature': sign(SECRET, 'evt_a1_1_1', SECONDS, body),
    });
    expect([response.status, await response.text()]).toEqual([200, '']);
    expect(lines).toEqual([
      '2026-01-02T03:04:05.678Z  job.completed  evt_a1_1_1  attempt 2  job batch:1  signature ok',
      '    {"n":1}',
    ]);
    expect(calls).toEqual([
      {
        receivedAt: AT,
        event: 'job.completed',
        webhookId: 'evt_a1_1_1',
        attempt: '2',
        jobId: 'batch:1',
        verdict: 'signature ok',
        body,
      },
    ]);
  });

  test.each([
    ['another body', sign(SECRET, 'evt_a1_1_1', SECONDS, '{}'), 'BAD signature: no matching signature'],
    ['nothing', '', 'BAD signature: missing header webhook-signature'],
  ])('says what is wrong with a signature of %s', async (_, signature, verdict) => {
    const { url, calls } = await started({ secret: SECRET });
    await post(url, '{"n":1}', { 'webhook-signature': signature });
    expect(calls[0]!.verdict).toBe(verdict);
  });

  test('checks nothing without a secret', async () => {
    const { url, calls } = await started();
    await post(url, '{}');
    expect(calls[0]!.verdict).toBe('not checked: no secret');
  });

  test('answers with the status and the body it was given, after the delay', async () => {
    const { url } = await started({ status: 503, body: 'later', delayMs: 30 });
    const response = await post(url, '{}');
    expect([response.status, await response.text()]).toEqual([503, 'later']);
  });

  test('shows calls of other senders, and what is missing', async () => {
    const { url, lines } = await started();
    await fetch(url);
    expect(lines).toEqual([
      '2026-01-02T03:04:05.678Z  no event  no webhook-id  attempt ?  job -  not checked: no secret',
      '    ',
    ]);
  });

  test('prints no control characters, and the start of a long body only', async () => {
    const { url, lines } = await started();
    await post(url, `\u001b[2J\n${'x'.repeat(1_000)}`);
    expect(lines[1]).toBe(`     [2J ${'x'.repeat(495)}…`);
  });

  test('closes at once while a call waits for its answer', async () => {
    let arrived = () => {};
    const waiting = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    const { url } = await started({ delayMs: 3_600_000, onCall: () => arrived() });
    const call = post(url, '{}').catch(() => 'cut');
    await waiting;
    await receiver!.close();
    expect(await call).toBe('cut');
  });

  test('listens on loopback unless told otherwise', async () => {
    const { url } = await started();
    expect(new URL(url).hostname).toBe('127.0.0.1');
  });
});

describe('the command', () => {
  function recorded(stopped: Promise<void>) {
    const out: string[] = [];
    const errors: string[] = [];
    const codes: number[] = [];
    let listening = (_: string) => {};
    const url = new Promise<string>((resolve) => {
      listening = resolve;
    });
    const io: CommandIo = {
      print: (line) => {
        out.push(line);
        const found = /http:\S+\//.exec(line);
        if (found) listening(found[0]);
      },
      printError: (line) => errors.push(line),
      exitCode: (code) => codes.push(code),
      stopped: () => stopped,
    };
    return { io, out, errors, codes, url };
  }

  test('runs a receiver until it is stopped', async () => {
    let stop = () => {};
    const { io, out, url } = recorded(
      new Promise((resolve) => {
        stop = resolve;
      }),
    );
    const command = receiverCommand(
      ['--port', '0', '--status', '500', '--delay-ms', '1', '--body', 'no'],
      io,
    );
    const response = await post(await url, '{}');
    expect([response.status, await response.text()]).toEqual([500, 'no']);
    stop();
    await command;
    expect(out[0]).toMatch(/^Listening on http:\/\/127\.0\.0\.1:\d+\/, answering 500 after 1 ms$/);
    await expect(post(await url, '{}')).rejects.toThrow();
  });

  test.each([['--help'], ['-h']])('explains every flag on %s and starts nothing', async (flag) => {
    const { io, out, errors, codes } = recorded(Promise.resolve());
    await receiverCommand([flag], io);
    expect({ errors, codes }).toEqual({ errors: [], codes: [] });
    for (const named of ['--port', '--host', '--secret', '--status', '--delay-ms', '--body']) {
      expect(out.join('\n')).toContain(`${named} `);
    }
  });

  test.each([
    [['--port', '65536'], '--port must be a whole number from 0 to 65535, got "65536"'],
    [['--port', ''], '--port must be a whole number from 0 to 65535, got ""'],
    [['--status', '99'], '--status must be a whole number from 200 to 599, got "99"'],
    [['--delay-ms', '1.5'], '--delay-ms must be a whole number from 0 to 3600000, got "1.5"'],
  ])('refuses %j with one sentence and exit code 2', async (argv, message) => {
    const { io, out, errors, codes } = recorded(Promise.resolve());
    await receiverCommand(argv, io);
    expect({ out, errors, codes }).toEqual({
      out: [],
      errors: [`carillon receiver: ${message}`],
      codes: [2],
    });
  });

  test.each([
    [['--nonsense']],
    [['8080']],
    [['--port']],
    [['--secret', 'whsec_']],
    [['--secret', 'hunter2 hunter2']],
  ])('refuses %j in one line', async (argv) => {
    const { io, errors, codes } = recorded(Promise.resolve());
    await receiverCommand(argv, io);
    expect(codes).toEqual([2]);
    expect(errors).toEqual([expect.stringMatching(/^carillon receiver: [^\n]+$/)]);
    expect(errors[0]).not.toContain('hunter2');
  });

  test('says where it cannot listen', async () => {
    const { url } = await started();
    const { port } = new URL(url);
    const { io, errors, codes } = recorded(Promise.resolve());
    await receiverCommand(['--port', port], io);
    expect(codes).toEqual([1]);
    expect(errors).toEqual([expect.stringMatching(`^carillon receiver: cannot listen on port ${port}: `)]);
  });
});
