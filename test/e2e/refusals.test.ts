import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hkubeWording } from '../../src/dialects/hkube/wording.js';
import { ProblemError } from '../../src/errors.js';
import { inTurn, refusals } from '../support/refusals.js';
import { World } from '../support/world.js';

const shown = (given: unknown) => JSON.stringify(given).slice(0, 100);

describe('a descriptor that HKube refuses', () => {
  let world: World;
  beforeAll(async () => {
    world = await World.open();
  });
  afterAll(() => world.close());

  /** As a route of the dialect submits it; what the first problem says. */
  const hkubeSays = async (given: unknown) => {
    const { engine, defaultAccountId } = world.app;
    const submitted = engine.submit(defaultAccountId, {
      operation: 'submitDescriptor',
      descriptor: given,
      received: given,
      idempotencyKey: null,
      wording: hkubeWording,
    });
    const refused: unknown = await submitted.catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(ProblemError);
    return (refused as ProblemError).problems[0]!;
  };

  it.each(refusals.map((row) => ({ ...row, text: shown(row.given) })))(
    '$text is told, in both wordings, $hkube',
    async ({ given, hkube, ours, path, code = 'INVALID' }) => {
      expect(await hkubeSays(given)).toMatchObject({ code, message: hkube });

      const { submitDescriptor } = await world.ask<{
        submitDescriptor: { job: unknown; userErrors: { code: string; message: string; path: string[] }[] };
      }>(
        'mutation ($d: JSON!) { submitDescriptor(input: { descriptor: $d }) { job { id } userErrors { code message path } } }',
        { d: given },
      );
      expect(submitDescriptor.job).toBeNull();
      expect(submitDescriptor.userErrors[0]).toEqual({
        code,
        message: ours ?? hkube,
        path: ['input', 'descriptor', ...(path === '' ? [] : path.split('.'))],
      });
    },
  );

  it.each(inTurn.map((row) => ({ ...row, text: shown(row.given) })))(
    'for several reasons, $text, is told the one that HKube finds first: $first',
    async ({ given, first }) => {
      expect((await hkubeSays(given)).message).toBe(first);
    },
  );

  it('is told the same where it is to be stored', async () => {
    const { engine, defaultAccountId } = world.app;
    const save = (descriptor: object) =>
      engine.savePipeline(defaultAccountId, {
        descriptor,
        mode: 'create',
        ifVersion: null,
        wording: hkubeWording,
      });
    await expect(save({ name: 'exec/raw' })).rejects.toThrow('pipeline name must contain only');
    await expect(save({ name: 'p' })).rejects.toThrow('pipeline must have at least one node');
  });
});
