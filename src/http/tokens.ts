import type { GraphQLError } from 'graphql';
import { exceeded, limits } from './limits.js';

/**
 * Counts what a document is made of, in one pass over the text, without a tree and without recursion. It is no lexer:
 * text that GraphQL would refuse may be counted in any way, since the parser that follows refuses it.
 * Null: within the bounds of tokens, nesting and names.
 */
export function tokenProblem(text: string): GraphQLError | null {
  let tokens = 0;
  let nesting = 0;
  for (let at = 0; at < text.length; ) {
    const char = text.charCodeAt(at);
    if (isIgnored(char)) {
      at++;
      continue;
    }
    if (++tokens > limits.tokens.maximum) return exceeded(limits.tokens, 'more');
    if (isWord(char)) {
      const start = at;
      while (isWord(text.charCodeAt(at))) at++;
      if (at - start > limits.nameLength.maximum) return exceeded(limits.nameLength, at - start);
    } else if (char === QUOTE) at = afterString(text, at);
    else if (char === HASH) at = afterLine(text, at);
    else {
      if (OPENING.has(char)) nesting++;
      else if (CLOSING.has(char)) nesting--;
      if (nesting > limits.nesting.maximum) return exceeded(limits.nesting, 'more');
      at += text.startsWith('...', at) ? 3 : 1;
    }
  }
  return null;
}

const QUOTE = 0x22;
const HASH = 0x23;
const OPENING = new Set([...'{[('].map((char) => char.charCodeAt(0)));
const CLOSING = new Set([...'}])'].map((char) => char.charCodeAt(0)));

/** White space, commas and the byte order mark mean nothing to GraphQL. */
function isIgnored(char: number): boolean {
  return char === 0x20 || (char >= 0x09 && char <= 0x0d) || char === 0x2c || char === 0xfeff;
}

/** Letters, digits, underscores: of names, and of numbers, whose signs and points count on their own. */
function isWord(char: number): boolean {
  return (
    (char >= 0x61 && char <= 0x7a) ||
    (char >= 0x41 && char <= 0x5a) ||
    (char >= 0x30 && char <= 0x39) ||
    char === 0x5f
  );
}

/** Where the text goes on behind a string or block string. One that does not end is left to the parser to refuse. */
function afterString(text: string, start: number): number {
  if (text.startsWith('"""', start)) {
    let end = text.indexOf('"""', start + 3);
    while (end > 0 && text[end - 1] === '\\') end = text.indexOf('"""', end + 3);
    return end < 0 ? text.length : end + 3;
  }
  let at = start + 1;
  while (at < text.length && text[at] !== '"' && text[at] !== '\n' && text[at] !== '\r') {
    at += text[at] === '\\' ? 2 : 1;
  }
  return at + 1;
}

function afterLine(text: string, start: number): number {
  let at = start;
  while (at < text.length && text[at] !== '\n' && text[at] !== '\r') at++;
  return at;
}
