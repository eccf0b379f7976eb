import type { Delivery, DeliveryAttempt } from '../delivery.js';
import type { Parts } from './parts.js';
import { createSource, type Item, type Source } from './source.js';

/** Calls that a follower who does not read may fall behind: older ones can be queried. */
const ATTEMPTS_KEPT = 256;
/** Calls read for one page: each is two reads of the store. */
const PAGE = 20;

export type AttemptView = { attempt: DeliveryAttempt; delivery: Delivery };

/** Every call of a webhook, as it ends: a live view. Positions count the calls since this stream was opened. */
export function attemptSource(
  { store, bus, clock }: Parts,
  accountId: string,
  webhookId: string | null,
): Source<AttemptView> {
  return createSource({
    topic: JSON.stringify(['attempts', accountId, webhookId]),
    after: null,
    paceMs: 0,
    cursorOf: null,
    open(tell) {
      let position = 0;
      const kept: { position: number; deliveryId: string; number: number }[] = [];
      const close = bus.listen('attempt', (message) => {
        if (message.accountId !== accountId) return;
        if (webhookId !== null && message.webhookId !== webhookId) return;
        position++;
        kept.push({ position, deliveryId: message.deliveryId, number: message.number });
        if (kept.length > ATTEMPTS_KEPT) kept.shift();
        tell({ position, item: null, last: false });
      });
      return {
        ready: Promise.resolve(0),
        position: () => position,
        recent: () => null,
        async read(after) {
          const next = kept.filter((one) => one.position > after).slice(0, PAGE);
          const through = next.at(-1)?.position ?? position;
          const items: Item<AttemptView>[] = [];
          for (const { position: at, deliveryId, number } of next) {
            const delivery = await store.delivery(accountId, deliveryId, clock.now());
            const attempts = delivery ? await store.attempts(accountId, deliveryId) : [];
            const attempt = attempts.find((one) => one.number === number);
            if (delivery && attempt) items.push({ position: at, value: { attempt, delivery } });
          }
          return { items, through, ended: false };
        },
        close,
      };
    },
  });
}
