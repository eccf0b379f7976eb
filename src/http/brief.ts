import { GraphQLError } from 'graphql';

/** graphql-js quotes what it was sent: a message keeps its start, and its end, where the reason stands. */
const MAX_MESSAGE = 300;
const MAX_QUOTED = 80;
const KEPT_AT_END = 0.4;
/** Of a mistake in many places the first ones are told. */
const MAX_PLACES = 3;

/** The error in a size that does not depend on what was sent. */
export function brief(error: GraphQLError): GraphQLError {
  const { message, nodes, source, positions, path, originalError, extensions } = error;
  if (message.length <= MAX_MESSAGE && (nodes?.length ?? 0) <= MAX_PLACES) return error;
  return new GraphQLError(briefly(message), {
    extensions,
    ...(nodes ? { nodes: nodes.slice(0, MAX_PLACES) } : { source, positions }),
    path,
    originalError,
  });
}

/** At most 300 characters: long values between quotes are cut first, then the middle. */
export function briefly(message: string): string {
  if (message.length <= MAX_MESSAGE) return message;
  const quoted = message.split('"').map((part) => cut(part, MAX_QUOTED));
  return cut(quoted.join('"'), MAX_MESSAGE);
}

/** A text without its middle. */
function cut(text: string, length: number): string {
  const end = Math.floor(length * KEPT_AT_END);
  return text.length <= length ? text : `${text.slice(0, length - end - 1)}…${text.slice(-end)}`;
}
