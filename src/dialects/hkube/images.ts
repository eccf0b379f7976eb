import { Refused } from '../../dialect.js';
import { type Problem, ProblemError } from '../../errors.js';
import type { HkubeParts } from './jobs.js';

const UNKNOWN = /^algorithm (\S+) Not Found/;

/**
 * Runs a submission; where it names an algorithm that has no module, says what is known of that: it may be stored, with
 * an image, and images are not run here.
 */
export async function withImages<T>(parts: HkubeParts, accountId: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    const name = error instanceof ProblemError ? unknownAlgorithm(error.problems[0]!) : undefined;
    if (name === undefined) throw error;
    const stored = await parts.store.storedAlgorithm(accountId, name);
    if (!stored) throw new Refused(404, `algorithm ${name} Not Found`);
    const { algorithmImage } = JSON.parse(stored.document) as { algorithmImage?: unknown };
    if (!algorithmImage) throw new Refused(400, `missing image for algorithm ${name}`);
    throw new Refused(
      400,
      `images are not run here: put a module of the name ${name} into the algorithms folder, in place of the image of algorithm ${name}`,
    );
  }
}

function unknownAlgorithm({ code, message }: Problem): string | undefined {
  return code === 'NOT_FOUND' ? UNKNOWN.exec(message)?.[1] : undefined;
}
