const thrown = {
  error: () => new TypeError('no such colour: "blau"'),
  string: () => 'a plain string',
  undefined: () => undefined,
  object: () => ({ status: 418 }),
};

export async function start({ input: [kind] }) {
  throw thrown[kind]();
}
