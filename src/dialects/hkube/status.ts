import type { Problem, UserErrorCode } from '../../errors.js';

const statuses: Partial<Record<UserErrorCode, number>> = { NOT_FOUND: 404, CONFLICT: 409 };

/** HKube's HTTP status of an expected failure: what is not there, what is there already, and 400 for all else. */
export function hkubeStatus({ code }: Problem): number {
  return statuses[code] ?? 400;
}
