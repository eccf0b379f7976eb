import type { GraphQLError } from 'graphql';

/** The answer to one event, as JSON text: made once for all that share it. */
export interface Rendered {
  position: number;
  text: string;
  /** To resume with; null where there is nothing to resume from. */
  cursor(): string | null;
}

/** Where the results of one subscription go: a socket or a stream, and its framing. */
export interface Sink {
  /** False while the client has too much unread, and after it has left. */
  ready(): boolean;
  /** Calls back once, when the client takes more. */
  whenReady(callback: () => void): void;
  send(rendered: Rendered): void;
  /** Collects what `run` sends into one write. */
  together(run: () => void): void;
  /** The subscription has ended: by itself (null), or by an error that its client may read. */
  end(error: GraphQLError | null): void;
}
