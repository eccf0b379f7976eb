const seen = [];

export default {
  name: 'methods',
  init({ input }) {
    seen.push(`init ${input[0]}`);
  },
  start({ input }) {
    return [...seen, `start ${input[0]} of ${this.name}`];
  },
};
