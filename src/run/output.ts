import type { Clock, Timer } from '../clock.js';
import type { LogLine } from './messages.js';

const MAX_LINE_CHARS = 2_000;
/** Of one thread. What is above it is counted where it is written, so a flood costs the main thread nothing. */
export const MAX_LINES_PER_SECOND = 100;
const WINDOW_MS = 1_000;

type Stream = LogLine['stream'];
/** Who wrote: names the line. */
export type Writer = Pick<LogLine, 'algorithm' | 'taskId'>;

/** Cuts what modules print into lines, short and not too many. */
export class Output {
  readonly #clock: Clock;
  readonly #send: (line: LogLine) => void;
  readonly #partial: Record<Stream, string> = { stdout: '', stderr: '' };
  #windowAt = Number.NEGATIVE_INFINITY;
  #lines = 0;
  #dropped = 0;
  #lastDropped: { writer: Writer; stream: Stream } | null = null;
  #timer: Timer | null = null;

  constructor(clock: Clock, send: (line: LogLine) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  write(stream: Stream, text: string, writer: Writer): void {
    let from = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
      const line = this.#partial[stream] + text.slice(from, Math.min(end, from + MAX_LINE_CHARS));
      this.#partial[stream] = '';
      this.#line(stream, line.endsWith('\r') ? line.slice(0, -1) : line, writer);
      from = end + 1;
    }
    // A line without an end must not fill the memory: what is beyond the cut would not be shown anyway.
    const room = MAX_LINE_CHARS - this.#partial[stream].length;
    if (room > 0) this.#partial[stream] += text.slice(from, from + room);
  }

  /** Sends lines that were not ended and says what was dropped: at the end of a task. */
  flush(writer: Writer): void {
    for (const stream of ['stdout', 'stderr'] as const) {
      const line = this.#partial[stream];
      this.#partial[stream] = '';
      if (line !== '') this.#line(stream, line, writer);
    }
    this.#tellDropped();
  }

  #line(stream: Stream, line: string, writer: Writer): void {
    const now = this.#clock.now();
    if (now - this.#windowAt >= WINDOW_MS) {
      this.#tellDropped();
      this.#windowAt = now;
      this.#lines = 0;
    }
    if (++this.#lines <= MAX_LINES_PER_SECOND) {
      this.#send({ ...writer, stream, line: line.slice(0, MAX_LINE_CHARS) });
      return;
    }
    this.#dropped++;
    this.#lastDropped = { writer, stream };
    this.#timer ??= this.#clock.after(WINDOW_MS, () => this.#tellDropped());
  }

  #tellDropped(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (!this.#lastDropped) return;
    const { writer, stream } = this.#lastDropped;
    this.#send({ ...writer, stream, line: `… ${this.#dropped} lines dropped` });
    this.#dropped = 0;
    this.#lastDropped = null;
  }
}
