import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteStore } from '../../src/sqlite/store.js';
import type { Store } from '../../src/store.js';
import { storeSuite } from '../conformance/store.js';
import { VirtualClock } from '../support/clock.js';
import { countedIds } from '../support/ids.js';

async function open(wrap: (store: Store) => Store = (store) => store) {
  const folder = await mkdtemp(join(tmpdir(), 'carillon-store-'));
  const clock = new VirtualClock();
  const ids = countedIds(clock);
  const openStore = () => openSqliteStore({ folder, clock, ids, own: true });
  let store = openStore();
  return {
    store: wrap(store),
    clock,
    ids,
    async reopen() {
      await store.close();
      store = openStore();
      return wrap(store);
    },
    async close() {
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Delays every answer, as a database across a network would. */
function delayed(store: Store): Store {
  return new Proxy(store, {
    get(target, name) {
      const method = Reflect.get(target, name);
      if (typeof method !== 'function') return method;
      return async (...parameters: unknown[]) => {
        await new Promise((resolve) => setTimeout(resolve, 1));
        const answer = await method.apply(target, parameters);
        await new Promise((resolve) => setTimeout(resolve, 1));
        return answer;
      };
    },
  });
}

storeSuite('SQLite', () => open());
storeSuite('SQLite, every answer delayed', () => open(delayed));
