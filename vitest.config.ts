import { defineConfig } from 'vitest/config';

const heavy = process.env['CARILLON_TEST_HEAVY'] === '1';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Ten times what was seen on two cores: a deadline, not a promise of speed.
    testTimeout: heavy ? 900_000 : 30_000,
    hookTimeout: 30_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
