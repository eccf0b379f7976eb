import {
  type DefinitionNode,
  type DocumentNode,
  type FieldNode,
  type FragmentDefinitionNode,
  Kind,
  type SelectionSetNode,
} from 'graphql';
import { exceeded, type Limit, limits, requestError } from './limits.js';

/** What a selection comes to, through fragments. */
interface Measure {
  /** Fields within fields. */
  depth: number;
  /** Fields at its own level. */
  fields: number;
}

/**
 * Holds a document to the bounds that do not depend on the schema, before graphql-js's rules, some of which are
 * quadratic, see it. Every node is visited once, a fragment too, wherever it is spread. The recursion is as deep as
 * the brackets, and those are bounded.
 */
class Shape {
  readonly #fragments = new Map<string, FragmentDefinitionNode>();
  readonly #measured = new Map<string, Measure>();
  /** Fragments that are being measured, outermost first: one that is met again contains itself. */
  readonly #open: string[] = [];
  readonly #counted = new Map<Limit, number>();
  introspects = false;

  constructor(document: DocumentNode) {
    for (const definition of document.definitions) {
      if (definition.kind === Kind.FRAGMENT_DEFINITION)
        this.#fragments.set(definition.name.value, definition);
    }
    for (const definition of document.definitions) this.#definition(definition);
  }

  #definition(definition: DefinitionNode): void {
    this.#count(limits.fragments);
    if (definition.kind === Kind.FRAGMENT_DEFINITION) {
      this.#directives(definition);
      // A second fragment of the name is a mistake that validation tells; here it is only counted.
      if (this.#fragments.get(definition.name.value) === definition) this.#fragment(definition.name.value);
      else this.#set(definition.selectionSet);
      return;
    }
    if (definition.kind !== Kind.OPERATION_DEFINITION) return;
    this.#directives(definition);
    const variables = definition.variableDefinitions ?? [];
    if (variables.length > limits.variables.maximum) throw exceeded(limits.variables, variables.length);
    variables.forEach(this.#directives, this);
    const { depth, fields } = this.#set(definition.selectionSet);
    if (depth > limits.depth.maximum) throw exceeded(limits.depth, depth);
    if (fields > limits.rootFields.maximum) throw exceeded(limits.rootFields, fields);
  }

  /** `seen`: what the selection has, by type condition, since inline fragments are part of the selection around them. */
  #set(set: SelectionSetNode, seen = new Set<string>(), condition = ''): Measure {
    let [depth, fields] = [0, 0];
    for (const selection of set.selections) {
      this.#directives(selection);
      let inner: Measure;
      if (selection.kind === Kind.FIELD) {
        this.#repeats(selection, seen, condition);
        const within = selection.selectionSet ? this.#set(selection.selectionSet) : NOTHING;
        inner = { depth: 1 + within.depth, fields: 1 };
      } else if (selection.kind === Kind.FRAGMENT_SPREAD) inner = this.#fragment(selection.name.value);
      else {
        this.#count(limits.fragments);
        inner = this.#set(selection.selectionSet, seen, selection.typeCondition?.name.value ?? condition);
      }
      depth = Math.max(depth, inner.depth);
      fields += inner.fields;
    }
    return { depth, fields };
  }

  #repeats({ name: { value: name }, alias }: FieldNode, seen: Set<string>, condition: string): void {
    if (name === '__schema' || name === '__type') this.introspects = true;
    const asked = `${condition} ${name}`;
    const answered = `${condition} :${alias?.value ?? name}`;
    if (seen.has(asked) || seen.has(answered)) this.#count(limits.repeats);
    seen.add(asked).add(answered);
  }

  #fragment(name: string): Measure {
    const known = this.#measured.get(name);
    if (known) return known;
    const fragment = this.#fragments.get(name);
    if (!fragment) return NOTHING;
    const cycle = this.#open.length - this.#open.indexOf(name);
    if (this.#open.includes(name)) {
      throw requestError(
        'GRAPHQL_VALIDATION_FAILED',
        `the fragment "${name}" must not contain itself, got a circle of ${cycle}: take one of the spreads out`,
      );
    }
    this.#open.push(name);
    const measure = this.#set(fragment.selectionSet, new Set(), fragment.typeCondition.name.value);
    this.#open.pop();
    this.#measured.set(name, measure);
    return measure;
  }

  #directives({ directives = [] }: { directives?: readonly unknown[] }): void {
    this.#count(limits.directives, directives.length);
  }

  #count(limit: Limit, by = 1): void {
    const counted = (this.#counted.get(limit) ?? 0) + by;
    if (counted > limit.maximum) throw exceeded(limit, 'more');
    this.#counted.set(limit, counted);
  }
}

const NOTHING: Measure = { depth: 0, fields: 0 };

/** Throws one GraphQLError where a bound is exceeded or fragments go in circles. Tells whether the schema is asked for. */
export function checkShape(document: DocumentNode): { introspects: boolean } {
  return new Shape(document);
}
