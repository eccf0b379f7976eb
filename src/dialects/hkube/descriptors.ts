/**
 * A descriptor as HKube shows it: our own defaults that say nothing are left out, and the format of webhooks is spelled as
 * descriptors spell it. Posted again, it means the same.
 */
export function hkubeDescriptor(descriptor: object): Record<string, unknown> {
  const { webhooks, ...rest } = descriptor as { webhooks?: { format?: string } };
  if (!webhooks) return rest;
  const { format, ...urls } = webhooks;
  const spelled = format?.toLowerCase().replace('_', '-');
  const shown = { ...urls, ...(spelled !== undefined && spelled !== 'hkube' && { format: spelled }) };
  return Object.keys(shown).length > 0 ? { ...rest, webhooks: shown } : rest;
}
