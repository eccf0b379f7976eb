import { defineConfig } from 'drizzle-kit';

/** `npx drizzle-kit generate` writes the next migration from the tables; a landed migration is never edited. */
export default defineConfig({
  dialect: 'sqlite',
  schema: './src/sqlite/tables.ts',
  out: './src/sqlite/migrations',
});
