import type { Bus, BusKind, BusMessage } from '../bus.js';

type Handler = (message: never) => void;

/** The bus of a single process: messages reach every listener before `publish` returns. */
export function memoryBus(onError: (error: unknown) => void): Bus {
  const handlers = new Map<BusKind, Set<Handler>>();
  return {
    publish(messages: BusMessage[]) {
      for (const message of messages) {
        for (const handler of handlers.get(message.kind) ?? []) {
          // A listener's bug must not reach the transaction's caller or the listeners after it.
          try {
            handler(message as never);
          } catch (error) {
            onError(error);
          }
        }
      }
    },
    listen(kind, handler) {
      const set = handlers.get(kind) ?? new Set<Handler>();
      handlers.set(kind, set.add(handler as Handler));
      return () => set.delete(handler as Handler);
    },
  };
}
