import type { ExecutionResult, GraphQLError } from 'graphql';
import type { Follower } from './group.js';

/**
 * What graphql-ws is given in place of results that others write: an iterator that never yields, begins when it is first
 * asked, and ends when the subscription or its client does.
 */
export function parked(
  begin: (end: (error: GraphQLError | null) => void) => Follower,
): AsyncGenerator<ExecutionResult, undefined> {
  let follower: Follower | null = null;
  let ended = false;
  let finish: (step: IteratorReturnResult<undefined>) => void = () => {};
  let fail: (error: unknown) => void = () => {};
  const done: IteratorReturnResult<undefined> = { done: true, value: undefined };
  const leave = async (): Promise<IteratorReturnResult<undefined>> => {
    ended = true;
    follower?.leave();
    finish(done);
    return done;
  };
  return {
    next() {
      if (ended) return Promise.resolve(done);
      const end = new Promise<IteratorReturnResult<undefined>>((resolve, reject) => {
        finish = resolve;
        fail = reject;
      });
      follower ??= begin((error) => {
        ended = true;
        if (error) fail(error);
        else finish(done);
      });
      return end;
    },
    return: leave,
    throw: leave,
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
