import { shown } from '../../errors.js';
import type { DescriptorIssue, Rule, TextFormat, Wording } from '../../issue.js';

/**
 * HKube's sentences about descriptors: those of its validator (ajv 6), and its own where it has some. What HKube does not check
 * is said in the same style.
 */
export const hkubeWording: Wording = (issue) => {
  const { path, rule, value } = issue;
  switch (rule.kind) {
    case 'required':
      return `${placeOf(path.slice(0, -1))} should have required property '${path.at(-1)}'`;
    case 'unknownKey':
      return `${placeOf(path.slice(0, -1))} should NOT have additional properties (${key(path.at(-1))})`;
    case 'algorithm':
      return `algorithm ${value} Not Found`;
    case 'nodeName':
      return 'debugOverride node not in nodes list';
    case 'format':
      return sentences[rule.format] ?? `${placeOf(path)} should match format "${rule.format}"`;
    default:
      return isNoNodes(issue) ? 'pipeline must have at least one node' : `${placeOf(path)} ${said(rule)}`;
  }
};

/** In place of the validator's "should match format …". */
const sentences: Partial<Record<TextFormat, string>> = {
  'pipeline-name': 'pipeline name must contain only alphanumeric, dash, dot or underscore',
  'experiment-name': 'experiment name must contain only alphanumeric, dash, dot or underscore',
  'algorithm-name': 'algorithm name must contain only lower-case alphanumeric, dash or dot',
};

type Plain = Exclude<Rule, { kind: 'required' | 'unknownKey' | 'algorithm' | 'nodeName' | 'format' }>;

function said(rule: Plain): string {
  switch (rule.kind) {
    case 'type':
      return `should be ${rule.types.join(',')}`;
    case 'min':
      return { number: `should be >= ${rule.bound}`, ...tooFew(rule.bound) }[rule.of];
    case 'max':
      return { number: `should be <= ${rule.bound}`, ...tooMany(rule.bound) }[rule.of];
    case 'oneOf':
      return `should be equal to one of the allowed values (${rule.values.join(',')})`;
    case 'duplicate':
      return `should NOT have duplicate items (items ## ${rule.items[0]} and ${rule.items[1]} are identical)`;
    case 'without':
      return `should NOT contain ${rule.characters}`;
    case 'clause':
      return rule.says;
  }
}

function tooFew(bound: number) {
  return {
    characters: `should NOT be shorter than ${bound} characters`,
    items: `should NOT have fewer than ${bound} items`,
  };
}

function tooMany(bound: number) {
  return {
    characters: `should NOT be longer than ${bound} characters`,
    items: `should NOT have more than ${bound} items`,
  };
}

function isNoNodes({ path, rule }: DescriptorIssue): boolean {
  return path.length === 1 && path[0] === 'nodes' && rule.kind === 'min';
}

/** "data.nodes[0].nodeName" */
function placeOf(path: readonly string[]): string {
  return `data${path.map((one) => (/^\d+$/.test(one) ? `[${one}]` : `.${one}`)).join('')}`;
}

/** A key that nobody expected may be of any length. */
function key(name = ''): string {
  return name.length > 80 ? shown(name).slice(1) : name;
}
