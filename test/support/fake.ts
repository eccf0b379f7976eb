/**
 * Stands in for a port: what is given is answered, anything else that is called throws and names itself. `partial`
 * may be a getter's object, so a test can change its mind while it runs.
 */
export function fake<T extends object>(name: string, partial: Partial<T>): T {
  return new Proxy(partial, {
    get(target, key, receiver) {
      if (key in target) return Reflect.get(target, key, receiver);
      // Asked by `await` and by printers: those are no calls.
      if (typeof key === 'symbol' || key === 'then' || key === 'toJSON') return undefined;
      return () => {
        throw new Error(`unexpected call of ${name}.${key}`);
      };
    },
  }) as T;
}
