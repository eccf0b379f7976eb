import { type FieldNode, Kind, type OperationDefinitionNode, type ValueNode } from 'graphql';

/** Taking in, comparing and keeping so much text costs what an object does. */
const CHARS_PER_OBJECT = 100;

/** What the arguments of one operation's fields come to: what is sent once may stand in a thousand places. */
export class Arguments {
  /** Whether a variable was met. */
  varies = false;
  readonly #lengths = new Map<string, number>();
  readonly #sent = new Set<string>();

  constructor(
    private readonly operation: OperationDefinitionNode,
    private readonly variables: Readonly<Record<string, unknown>>,
  ) {}

  /**
   * In objects. `once`: the field is looked at a single time (a mutation), so that only what repeats a variable counts:
   * the size of the request bounds the rest.
   */
  weightOf({ arguments: given = [] }: FieldNode, once: boolean): number {
    let chars = 0;
    for (const { value } of given) {
      if (!once) chars += textLength(value);
      for (const name of variablesIn(value)) chars += this.#ofVariable(name, once);
    }
    return Math.floor(chars / CHARS_PER_OBJECT);
  }

  #ofVariable(name: string, once: boolean): number {
    this.varies = true;
    if (once && !this.#sent.has(name)) {
      this.#sent.add(name);
      return 0;
    }
    const length = this.#lengths.get(name) ?? this.#lengthOf(name);
    this.#lengths.set(name, length);
    return length;
  }

  #lengthOf(name: string): number {
    if (Object.hasOwn(this.variables, name)) return jsonLength(this.variables[name]);
    const declared = this.operation.variableDefinitions?.find(({ variable }) => variable.name.value === name);
    return textLength(declared?.defaultValue);
  }
}

/** The variables of a value, each as often as it stands there. Recursion as deep as brackets may be nested. */
function variablesIn(value: ValueNode): string[] {
  switch (value.kind) {
    case Kind.VARIABLE:
      return [value.name.value];
    case Kind.LIST:
      return value.values.flatMap(variablesIn);
    case Kind.OBJECT:
      return value.fields.flatMap((field) => variablesIn(field.value));
    default:
      return [];
  }
}

/** Characters of a value as it stands in the document. */
function textLength(value: ValueNode | undefined): number {
  return value?.loc ? value.loc.end - value.loc.start : 0;
}

function jsonLength(value: unknown): number {
  try {
    return JSON.stringify(value)?.length ?? 0;
  } catch {
    // Nested deeper than the stack: no type takes it, so coercion refuses it before anything runs.
    return 0;
  }
}
