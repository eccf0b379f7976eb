import { partOf } from './demo-webhooks.js';
import type { ReceivedCall } from './receiver.js';

/** An event as the demonstration asks for it; which fields it has depends on its type. */
export interface DemoEvent {
  sequence: number;
  type: string;
  progress?: { percent: number; details: string };
  error?: { message: string } | null;
  nodeName?: string;
  batchId?: string | null;
  message?: string | null;
}

export interface DemoResult {
  nodeName: string;
  batchId: string | null;
  result: unknown;
}

const BAR_CELLS = 12;
const WIDTH = 80;
const INDENT = ' '.repeat(13);

const styles = {
  bold: [1, 22],
  dim: [2, 22],
  green: [32, 39],
  red: [31, 39],
  cyan: [36, 39],
  yellow: [33, 39],
};

/** What the demonstration shows. Lines only, one after the other, so that it reads the same in a file. */
export class Screen {
  readonly #print: (line: string) => void;
  readonly #color: boolean;

  constructor(print: (line: string) => void, color: boolean) {
    this.#print = print;
    this.#color = color;
  }

  welcome(url: string, receiver: string): void {
    this.#lines(
      '',
      `  ${this.#paint('bold', 'Carillon')}  one GraphQL server for long work`,
      '',
      `  server    ${this.#paint('cyan', url)}`,
      `  receiver  ${this.#paint('cyan', receiver)}  ${this.#paint('dim', 'checks the signature of every webhook')}`,
    );
  }

  submitting({ name, nodes, webhooks }: { name: string; nodes: object[]; webhooks: object }): void {
    this.#heading(1, 'Submit a pipeline', 'by GraphQL; "#[1,2,3]" makes one task of each element');
    this.#lines(
      `  mutation { submitPipeline(input: {`,
      `    name: ${JSON.stringify(name)}`,
      ...nodes.map((node) => `    nodes: [${literal(node)}]`),
      `    webhooks: {`,
      ...Object.entries(webhooks).map(([kind, url]) => `      ${kind}: ${JSON.stringify(url)}`),
      `    }`,
      `  }) { job { id } userErrors { message } } }`,
    );
  }

  submitted(jobId: string): void {
    this.#lines('', `  ${this.#paint('green', '✓')} job ${this.#paint('bold', jobId)}`);
    this.#heading(2, 'Follow it live', 'by a subscription (WebSocket); webhooks come meanwhile');
  }

  event({ sequence, type, progress, error, nodeName, batchId, message }: DemoEvent): void {
    const head = `  ${this.#paint('cyan', 'event')} ${String(sequence).padStart(3)}  ${type.padEnd(14)}`;
    if (progress) this.#print(`${head} ${this.#bar(progress.percent)} ${error?.message ?? progress.details}`);
    else this.#print(`${head} ${batchId ?? nodeName ?? ''}  ${error?.message ?? message ?? ''}`.trimEnd());
  }

  webhook(call: ReceivedCall): void {
    const { event, attempt, verdict, body } = call;
    const good = verdict === 'signature ok';
    const mark = this.#paint(good ? 'green' : 'red', `${good ? '✓' : '✗'} ${verdict}`);
    const again = attempt === '1' || attempt === null ? '' : `  attempt ${attempt}`;
    const head = `  ${this.#paint('yellow', 'webhook')}    ${partOf(call).padEnd(14)}`;
    this.#print(`${head} ${mark}  ${this.#paint('dim', `${event ?? ''}${again}`)}`);
    for (const line of wrapped(body, WIDTH - INDENT.length)) {
      this.#print(`${INDENT}${this.#paint('dim', line)}`);
    }
  }

  results(status: string, results: readonly DemoResult[]): void {
    this.#heading(3, 'Read the results', 'by a query');
    this.#lines(`  status    ${status}`);
    for (const { nodeName, batchId, result } of results) {
      this.#print(`  ${(batchId ?? nodeName).padEnd(9)} ${this.#paint('bold', JSON.stringify(result))}`);
    }
  }

  summary(events: number, webhooks: number, ms: number): void {
    const told = `${events} events, ${webhooks} webhooks, every signature verified, in ${(ms / 1_000).toFixed(1)} s`;
    this.#lines('', `  ${this.#paint('green', '✓')} ${this.#paint('bold', told)}`);
  }

  goodbye(): void {
    this.#lines(
      '',
      '  Where to go from here',
      `    npm start                 ${this.#paint('dim', 'a server; GraphiQL is at http://127.0.0.1:4000/graphql')}`,
      `    docs/getting-started.md   ${this.#paint('dim', 'the same by hand, step by step')}`,
      `    docs/webhooks.md          ${this.#paint('dim', 'signatures, retries, formats')}`,
      '',
    );
  }

  #heading(number: number, title: string, how: string): void {
    this.#lines('', `  ${this.#paint('bold', `${number}  ${title}`)}  ${this.#paint('dim', how)}`, '');
  }

  #bar(percent: number): string {
    const full = Math.round((percent / 100) * BAR_CELLS);
    return `${this.#paint('green', '█'.repeat(full))}${this.#paint('dim', '░'.repeat(BAR_CELLS - full))}`;
  }

  #paint(style: keyof typeof styles, text: string): string {
    const [on, off] = styles[style] as [number, number];
    return this.#color && text !== '' ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  }

  #lines(...lines: string[]): void {
    for (const line of lines) this.#print(line);
  }
}

/** A value as GraphQL writes it: JSON with bare keys. */
function literal(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(literal).join(', ')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  return `{ ${Object.entries(value)
    .map(([key, inner]) => `${key}: ${literal(inner)}`)
    .join(', ')} }`;
}

/** JSON text in lines of at most `width`, as far as it can be broken between members; nothing is added or lost. */
export function wrapped(json: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const piece of json.split(/(?<=,)(?=["{[])/)) {
    if (line !== '' && line.length + piece.length > width) {
      lines.push(line);
      line = '';
    }
    line += piece;
  }
  return [...lines, line];
}
