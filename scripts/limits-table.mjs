// The table of docs/limits.md, made from `limits` in src/http/limits.ts and the setting of the request's size.
import { cell, withTable } from './table.mjs';

/** The text with what stands between the markers replaced by a table of the limits. */
export function withLimitsTable(text, limits, { maxRequestBytes }) {
  const bytes = [
    'bytes of a request, or of a message over WebSocket',
    `${number(maxRequestBytes.fallback)}, or what \`${maxRequestBytes.name}\` says`,
    'Refused before it is read, with status 413, or by closing the socket with 1009.',
  ];
  const rows = Object.values(limits).map(({ name, maximum, reason }) => [
    name,
    number(maximum),
    cell(reason),
  ]);
  return withTable(text, 'limits', ['bound', 'at most', ''], [bytes, ...rows]);
}

function number(value) {
  return Number(value).toLocaleString('en');
}
