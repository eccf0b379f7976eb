// Thousands of subscribers in one process, each a socket that speaks just enough of graphql-transport-ws. Frames are
// counted, not parsed, or this process would be what is measured.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { DOCUMENT, OPERATION } from './subscription.mjs';

const CONNECTING_AT_ONCE = 100;
/** Of so many subscribers one reads every event and checks the sequence. */
const SAMPLE = 50;
/** An event is longer; acknowledgements and the like are shorter. In bytes. */
const SHORTEST_EVENT = 200;
/** One buffer for all sockets: what was read is used before the next read. */
const buffer = Buffer.alloc(64 * 1024);

const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 10;

export class Crowd {
  received = 0;
  bytes = 0;
  /** Whether every subscriber reads what it gets, and not only the sample. */
  reading = true;
  #members = [];
  #goal = null;
  #step = null;
  #fail;
  /** Rejects when anything goes wrong with any of them. */
  failed = new Promise((_, reject) => {
    this.#fail = (message) => reject(new Error(message));
  });

  /** `count` subscribers, shared out among the jobs in turn. */
  async gather({ url, jobs }, count) {
    this.failed.catch(() => {});
    while (this.#members.length < count) {
      const some = Math.min(CONNECTING_AT_ONCE, count - this.#members.length);
      const members = Array.from({ length: some }, (_, index) => {
        const place = this.#members.length + index;
        return new Subscriber(this, new URL(url), jobs[place % jobs.length], place % SAMPLE === 0);
      });
      this.#members.push(...members);
      await this.#orFailed(Promise.all(members.map(({ subscribed }) => subscribed)));
    }
  }

  /** Resolves true once everybody has read the event of this step, false after `ms`. */
  hasRead(step, ms) {
    this.reading = true;
    return this.#within(ms, (resolve) => {
      this.#step = { number: step, left: this.#members.length, resolve };
    });
  }

  /** Resolves true once so many events have been counted in all, false after `ms`. */
  hasCounted(total, ms) {
    if (this.received >= total) return true;
    return this.#within(ms, (resolve) => {
      this.#goal = { total, resolve };
    });
  }

  async leave() {
    await Promise.all(this.#members.map((member) => member.leave()));
    this.#members = [];
  }

  noteEvent() {
    this.received++;
    if (this.#goal && this.received >= this.#goal.total) {
      this.#goal.resolve(true);
      this.#goal = null;
    }
  }

  noteStep(step) {
    if (this.#step?.number === step && --this.#step.left === 0) this.#step.resolve(true);
  }

  fail(message) {
    this.#fail(message);
  }

  async #within(ms, start) {
    let timer;
    const done = new Promise((resolve) => {
      timer = setTimeout(resolve, ms, false);
      start(resolve);
    });
    try {
      return await this.#orFailed(done);
    } finally {
      clearTimeout(timer);
    }
  }

  #orFailed(promise) {
    return Promise.race([promise, this.failed]);
  }
}

class Subscriber {
  #crowd;
  #job;
  #sampled;
  #socket;
  #subscribed;
  #open = false;
  #leaving = false;
  /** Bytes that came before the rest of what they belong to: of the handshake, or of a frame's header. */
  #before = null;
  #bytesLeft = 0;
  #frame = { final: true, code: 0 };
  /** The parts of a message that is read, null of one that is counted. */
  #parts = null;
  #sequence = null;

  constructor(crowd, { hostname, port, pathname }, job, sampled) {
    this.#crowd = crowd;
    this.#job = job;
    this.#sampled = sampled;
    this.subscribed = new Promise((resolve) => {
      this.#subscribed = resolve;
    });
    const onread = { buffer, callback: (length) => this.#read(buffer.subarray(0, length)) };
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true, onread }, () =>
      this.#socket.write(
        [
          `GET ${pathname} HTTP/1.1`,
          `Host: ${hostname}:${port}`,
          'Connection: Upgrade',
          'Upgrade: websocket',
          'Sec-WebSocket-Version: 13',
          `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
          'Sec-WebSocket-Protocol: graphql-transport-ws',
          '\r\n',
        ].join('\r\n'),
      ),
    );
    this.#socket.on('error', ({ message }) => this.#fail(message));
    this.#socket.on('close', () => this.#fail('the server closed a socket'));
  }

  leave() {
    this.#leaving = true;
    return new Promise((resolve) => this.#socket.once('close', resolve).destroy());
  }

  #fail(message) {
    if (!this.#leaving) this.#crowd.fail(message);
  }

  #read(chunk) {
    this.#crowd.bytes += chunk.length;
    let bytes = this.#before ? Buffer.concat([this.#before, chunk]) : chunk;
    this.#before = null;
    if (!this.#open) {
      const end = bytes.indexOf('\r\n\r\n');
      if (end < 0) return this.#keep(bytes);
      if (!bytes.toString('latin1').startsWith('HTTP/1.1 101')) {
        return this.#fail(`no upgrade: ${bytes.toString('latin1', 0, 200)}`);
      }
      this.#open = true;
      bytes = bytes.subarray(end + 4);
      this.#say({ type: 'connection_init' });
    }
    for (let at = 0; at < bytes.length; ) {
      if (this.#bytesLeft === 0) {
        const header = headerAt(bytes, at);
        if (!header) return this.#keep(bytes.subarray(at));
        at += header.size;
        this.#begin(header);
      }
      const size = Math.min(this.#bytesLeft, bytes.length - at);
      this.#parts?.push(Buffer.from(bytes.subarray(at, at + size)));
      at += size;
      this.#bytesLeft -= size;
      if (this.#bytesLeft === 0) this.#end();
    }
  }

  #keep(bytes) {
    this.#before = Buffer.from(bytes);
    return true;
  }

  #begin({ final, code, length }) {
    this.#frame = { final, code };
    this.#bytesLeft = length;
    const short = final && length < SHORTEST_EVENT;
    if (code !== 0) this.#parts = code !== TEXT || this.#sampled || this.#crowd.reading || short ? [] : null;
  }

  #end() {
    const { final, code } = this.#frame;
    if (!final) return;
    if (this.#parts === null) return this.#crowd.noteEvent();
    const content = Buffer.concat(this.#parts);
    this.#parts = null;
    if (code === PING) return this.#send(PONG, content);
    if (code === CLOSE) return this.#fail(`the server said goodbye: ${content.subarray(2)}`);
    if (code < CLOSE) this.#hear(JSON.parse(content));
  }

  #hear({ type, payload }) {
    if (type === 'connection_ack') {
      const variables = { job: this.#job };
      this.#say({ id: OPERATION, type: 'subscribe', payload: { query: DOCUMENT, variables } });
      this.#subscribed();
      return;
    }
    if (type === 'ping') return this.#say({ type: 'pong' });
    if (type === 'pong' || type === 'ka') return;
    if (type !== 'next' || payload.errors) return this.#fail(`got ${type}: ${JSON.stringify(payload)}`);
    const { jobId, sequence, message } = payload.data.jobEvents;
    if (jobId !== this.#job) this.#fail(`got an event of ${jobId} in place of ${this.#job}`);
    if (this.#sequence !== null && this.#sampled && sequence !== this.#sequence + 1) {
      this.#fail(`event ${sequence} came after ${this.#sequence}`);
    }
    this.#sequence = sequence;
    this.#crowd.noteEvent();
    const step = /^step (\d+)/.exec(message ?? '');
    if (step) this.#crowd.noteStep(Number(step[1]));
  }

  #say(message) {
    this.#send(TEXT, Buffer.from(JSON.stringify(message)));
  }

  /** Clients have to mask; a mask of zeros changes nothing. */
  #send(code, content) {
    const { length } = content;
    const size = length < 126 ? [0x80 | length] : [0x80 | 126, length >> 8, length & 255];
    this.#socket.write(Buffer.concat([Buffer.from([0x80 | code, ...size, 0, 0, 0, 0]), content]));
  }
}

/** The header of a frame from the server, or null where not all of it is there. */
function headerAt(bytes, at) {
  const there = bytes.length - at;
  if (there < 2) return null;
  const short = bytes[at + 1] & 127;
  const size = short === 127 ? 10 : short === 126 ? 4 : 2;
  if (there < size) return null;
  let length = short;
  if (short === 126) length = bytes.readUInt16BE(at + 2);
  if (short === 127) length = Number(bytes.readBigUInt64BE(at + 2));
  return { final: bytes[at] >= 128, code: bytes[at] & 15, length, size };
}
