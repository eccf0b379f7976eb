import { GraphQLError } from 'graphql';
import { messageOf } from '../errors.js';
import type { OperationParams } from './operations.js';

/** What a POST asks for; a GraphQLError that says what is wrong with its body. */
export function bodyParams(body: string): OperationParams {
  return parsedAs('the body', body);
}

/** What a GET asks for. */
export function queryParams(search: URLSearchParams): OperationParams {
  const given = (name: string) => search.get(name) || undefined;
  const json = (name: string) => {
    const text = given(name);
    return text === undefined ? undefined : parsedAs(`the parameter ${name}`, text);
  };
  return {
    query: given('query'),
    operationName: given('operationName'),
    variables: json('variables'),
    extensions: json('extensions'),
  };
}

function parsedAs(what: string, text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw badRequest(`${what} must be JSON: ${messageOf(error).slice(0, 200)}`);
  }
  if (typeof value !== 'object' || value === null) {
    throw badRequest(`${what} must be a JSON object, got ${value === null ? 'null' : typeof value}`);
  }
  return value;
}

function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_USER_INPUT', http: { status: 400 } } });
}
