import { fieldName, shown } from './errors.js';
import type { Rule, Wording } from './issue.js';

/** Our own words: the field, the bound, the value. */
export const ourWording: Wording = ({ path, value, rule }) => {
  const field = path.length === 0 ? 'descriptor' : fieldName(path);
  const tooMany = rule.kind === 'max' && rule.of === 'items' && Array.isArray(value);
  const got = `, got ${shown(tooMany ? value.length : value)}`;
  switch (rule.kind) {
    case 'format':
    case 'clause':
      return `${field} ${rule.says}`;
    case 'unknownKey': {
      const place = path.length === 1 ? 'descriptor' : fieldName(path.slice(0, -1));
      return `${place} must not have the key ${shown(path.at(-1))}: known are ${rule.known.join(', ')}${got}`;
    }
    case 'algorithm':
      return `algorithm ${value} Not Found; known are: ${rule.known.join(', ') || 'none'}`;
    default:
      return `${field} ${said(rule)}${got}`;
  }
};

function said(rule: Exclude<Rule, { kind: 'format' | 'clause' | 'unknownKey' | 'algorithm' }>): string {
  switch (rule.kind) {
    case 'required':
      return 'must be given';
    case 'type':
      return `must be ${rule.types.map(typeName).join(' or ')}`;
    case 'min':
      return `must be at least ${rule.bound}${units[rule.of]}`;
    case 'max':
      return `must be at most ${rule.bound}${units[rule.of]}`;
    case 'oneOf':
      return `must be one of ${rule.values.join(', ')}`;
    case 'duplicate':
      return `must not have the same item twice, as in [${rule.items[1]}] and [${rule.items[0]}]`;
    case 'without':
      return `must not contain ${rule.characters}`;
    case 'nodeName':
      return 'must be the name of one of the nodes';
  }
}

const units = { number: '', characters: ' characters long', items: ' items long' } as const;

function typeName(type: string): string {
  if (type === 'integer') return 'a whole number';
  return type === 'null' ? 'null' : `of type ${type}`;
}
