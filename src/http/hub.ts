import { type ExecutionArgs, type ExecutionResult, execute, type GraphQLError } from 'graphql';
import type { Context } from '../../schema/context.js';
import type { Clock } from '../clock.js';
import type { Source } from '../engine/source.js';
import type { Viewer } from '../viewer.js';
import { type Follower, Group, type HubCounts } from './group.js';
import { SharedTexts } from './shared-texts.js';
import { anyViewer, type DocumentFacts, documentFacts, groupKey } from './sharing.js';
import type { Sink } from './sink.js';
import { Turns } from './turns.js';

export interface HubOptions {
  clock: Clock;
  /** A context of its own for each execution: what hangs under an event is as of then. */
  contextFor(viewer: Viewer, requestId: string): Context;
  /** The same masking as everywhere else. */
  masked(result: ExecutionResult, requestId: string): ExecutionResult;
  shown(error: unknown, requestId: string): GraphQLError;
  /** An event was sent to everybody who takes it, so long after it was heard of. */
  observeLag(ms: number): void;
}

/** What the hub holds and has done. */
export interface HubState extends HubCounts {
  groups: number;
  subscribers: number;
  /** Of these, those that are catching up or whose clients have too much unread. */
  behind: number;
}

/**
 * Feeds subscribers. Those with the same document, variables (less where they begin), account and scopes are one group:
 * an event is executed and written as JSON once for all of them, on either transport, live or replayed.
 */
export class Hub {
  private readonly groups = new Map<string, Group<unknown>>();
  private readonly texts = new SharedTexts();
  private readonly turns = new Turns();
  private readonly counts: HubCounts = { executed: 0, sent: 0, stalled: 0, dropped: 0 };

  constructor(private readonly options: HubOptions) {}

  /** Starts to send what the source tells to the sink, each event through the operation. */
  follow(source: Source<unknown>, operation: ExecutionArgs, sink: Sink): Follower {
    const { viewer, requestId } = operation.contextValue as Context;
    const facts = documentFacts(operation);
    const key = groupKey(source.topic, facts, operation.variableValues ?? {}, viewer);
    const known = this.groups.get(key);
    if (known) return known.join(sink, source.after);
    const group: Group<unknown> = new Group({
      source,
      render: this.renderer(
        sharedPart(operation, facts),
        facts.perViewer ? viewer : anyViewer(viewer),
        requestId,
      ),
      shown: (error) => this.options.shown(error, requestId),
      moving: facts.moving,
      texts: this.texts,
      turns: this.turns,
      clock: this.options.clock,
      counts: this.counts,
      observeLag: this.options.observeLag,
      closed: () => {
        if (this.groups.get(key) === group) this.groups.delete(key);
      },
    });
    this.groups.set(key, group);
    return group.join(sink, source.after);
  }

  state(): HubState {
    let [subscribers, behind] = [0, 0];
    for (const group of this.groups.values()) {
      subscribers += group.size;
      behind += group.behind;
    }
    return { ...this.counts, groups: this.groups.size, subscribers, behind };
  }

  private renderer(
    operation: ExecutionArgs,
    viewer: Viewer,
    requestId: string,
  ): (value: unknown) => string | Promise<string> {
    const { contextFor, masked, shown } = this.options;
    const text = (result: ExecutionResult) => JSON.stringify(masked(result, requestId));
    const failed = (error: unknown) => JSON.stringify({ errors: [shown(error, requestId)] });
    return (rootValue) => {
      try {
        const result = execute({ ...operation, rootValue, contextValue: contextFor(viewer, requestId) });
        return 'then' in result ? result.then(text).catch(failed) : text(result);
      } catch (error) {
        return failed(error);
      }
    };
  }
}

/** What executions need of the operation of who came first: the rest of his request goes with him. */
function sharedPart(operation: ExecutionArgs, { variables }: DocumentFacts): ExecutionArgs {
  const given = operation.variableValues ?? {};
  const declared = variables.filter((name) => Object.hasOwn(given, name));
  return {
    ...operation,
    contextValue: null,
    variableValues: Object.fromEntries(declared.map((name) => [name, given[name]])),
  };
}
