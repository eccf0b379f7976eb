import { defineConfig } from 'vitest/config';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';

export default defineConfig({
  // graphql ships the same classes twice. Libraries get the CommonJS ones from Node, so the sources must too.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    include: ['test/**/*.test.ts'],
    // Ten times what was seen on two cores: a deadline, not a promise of speed.
    testTimeout: heavy ? 900_000 : 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    // Modules are loaded once a worker, not once a file: every test makes its own world, and a third of the time was loading.
    isolate: false,
    maxWorkers: 2,
  },
});
