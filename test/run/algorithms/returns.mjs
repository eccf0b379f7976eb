const values = {
  undefined: () => undefined,
  function: () => () => 1,
  symbol: () => Symbol('s'),
  bigint: () => 1n,
  nestedBigint: () => ({ a: [1n] }),
  circular: () => {
    const value = {};
    value.self = value;
    return value;
  },
  text: (length) => 'é'.repeat(length),
};

export default function ({ input: [kind, argument] }) {
  return values[kind](argument);
}
