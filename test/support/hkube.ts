/** What a route has answered; `json` is null where it has answered nothing. */
export interface HkubeAnswer {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: a client that takes what it is given, as HKube's do.
  json: any;
}

/** A client of HKube's, as their users write them: JSON over HTTP, and nothing of Carillon's. */
export class HkubeClient {
  constructor(
    private readonly url: string,
    private readonly headers: Record<string, string> = {},
  ) {}

  /** A text is sent as it is. */
  async ask(method: string, path: string, body?: unknown): Promise<HkubeAnswer> {
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    const response = await fetch(`${this.url}/api/v1${path}`, {
      method,
      headers: { ...type, ...this.headers },
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

  /** The JSON of a request that must not fail. */
  async take(method: string, path: string, body?: unknown): Promise<HkubeAnswer['json']> {
    const { status, json } = await this.ask(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path} was answered ${status} ${JSON.stringify(json)}`);
    return json;
  }

  async run(descriptor: object): Promise<string> {
    return (await this.take('POST', '/exec/raw', descriptor)).jobId;
  }
}
