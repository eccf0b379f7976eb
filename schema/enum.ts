/** The values of an enum that equal the words of a const union: each must be described, and no other can be. */
export function described<T extends string>(
  descriptions: Record<T, string>,
): { [K in T]: { value: K; description: string } } {
  const values = Object.entries<string>(descriptions).map(([value, description]) => [
    value,
    { value, description },
  ]);
  return Object.fromEntries(values);
}
