import { BlockList, isIP } from 'node:net';
import { shown } from './errors.js';

/** What an outbound call may reach: global unicast addresses, and the ranges an operator has allowed. */
export interface DestinationPolicy {
  readonly allowCidrs: readonly string[];
  // One list a family: a BlockList would take an IPv6 rule for IPv4 addresses and the reverse.
  readonly allow4: BlockList;
  readonly allow6: BlockList;
}

/** A URL that may be called, or what is wrong with it: a clause that follows the name of the field. */
export type UrlVerdict = { url: string; urlKey: string } | { problem: string };

export const MAX_URL_LENGTH = 2048;

/** Builds the policy. Throws an Error that names the first range that is not a CIDR. */
export function createDestinationPolicy(allowCidrs: readonly string[]): DestinationPolicy {
  const policy = { allowCidrs: [...allowCidrs], allow4: new BlockList(), allow6: new BlockList() };
  for (const cidr of allowCidrs) {
    const { address, prefix, family } = parseCidr(cidr);
    if (family === 4) policy.allow4.addSubnet(address, prefix, 'ipv4');
    else policy.allow6.addSubnet(address, prefix, 'ipv6');
  }
  return policy;
}

function parseCidr(cidr: string): { address: string; prefix: number; family: 4 | 6 } {
  const [address = '', length = '', ...rest] = cidr.split('/');
  const family = address.includes('%') ? 0 : isIP(address);
  const prefix = /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (rest.length > 0 || (family !== 4 && family !== 6) || prefix < 0)
    throw new Error(
      `${shown(cidr)} is not a CIDR: write an address and a prefix length, such as "10.0.0.0/8"`,
    );
  const longest = family === 4 ? 32 : 128;
  if (prefix > longest)
    throw new Error(`${shown(cidr)} is not a CIDR: the prefix length must be 0 to ${longest}, got ${prefix}`);
  return { address, prefix, family };
}

// ── Addresses ───────────────────────────────────────────────────────────────────────────────────────

// The IANA special-purpose registries, and a few that clouds use for themselves. No receiver lives in any of them.
const REFUSED_4 = ranges({
  'an unspecified address': ['0.0.0.0/8'],
  'a loopback address': ['127.0.0.0/8'],
  'a private address': ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'],
  'a shared (carrier NAT) address': ['100.64.0.0/10'],
  'a link-local address': ['169.254.0.0/16'],
  'a documentation address': ['192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24'],
  'a benchmarking address': ['198.18.0.0/15'],
  'a multicast address': ['224.0.0.0/4'],
  'a reserved address': [
    '192.0.0.0/24',
    '192.31.196.0/24',
    '192.52.193.0/24',
    '192.88.99.0/24',
    '192.175.48.0/24',
    '240.0.0.0/4',
  ],
});
const REFUSED_6 = ranges({
  'an unspecified address': ['::/128'],
  'a loopback address': ['::1/128'],
  'an IPv4-compatible address': ['::/96'],
  'an IPv4-mapped address': ['::ffff:0:0/96'],
  'an address translation (NAT64) address': ['64:ff9b::/96', '64:ff9b:1::/48'],
  'a 6to4 address': ['2002::/16'],
  'a Teredo address': ['2001::/32'],
  'a documentation address': ['2001:db8::/32', '3fff::/20'],
  'a private (unique local) address': ['fc00::/7'],
  'a link-local address': ['fe80::/10'],
  'a multicast address': ['ff00::/8'],
  'a discard-only address': ['100::/64'],
  'a reserved address': ['2001::/23', '2620:4f:8000::/48'],
});
// All of IPv6 that is handed out: what lies outside is refused without being listed.
const GLOBAL_6 = ranges({ global: ['2000::/3'] });

// Refused whatever is allowed: they hand credentials of this very machine to whoever can reach them.
const METADATA = ranges({
  'a cloud metadata address': [
    '169.254.169.254/32',
    '169.254.170.2/32',
    '169.254.170.23/32',
    '168.63.129.16/32',
    '100.100.100.200/32',
    '192.0.0.192/32',
    'fd00:ec2::254/128',
    'fd00:ec2::23/128',
    'fd20:ce::254/128',
  ],
});

type Ranges = readonly (readonly [reason: string, list: BlockList])[];

function ranges(cidrsByReason: Record<string, string[]>): Ranges {
  return Object.entries(cidrsByReason).map(([reason, cidrs]) => {
    const list = new BlockList();
    for (const cidr of cidrs) {
      const { address, prefix, family } = parseCidr(cidr);
      list.addSubnet(address, prefix, family === 4 ? 'ipv4' : 'ipv6');
    }
    return [reason, list] as const;
  });
}

function reasonIn(list: Ranges, address: string): string | null {
  const family = isIP(address) === 4 ? 'ipv4' : 'ipv6';
  return list.find(([, block]) => block.check(address, family))?.[0] ?? null;
}

/**
 * Null where `ip` may be dialled, otherwise why not ("a loopback address"). An IPv6 address that carries an IPv4
 * address is judged by both; metadata addresses are refused even inside an allowed range.
 */
export function checkAddress(ip: string, policy: DestinationPolicy): string | null {
  // A zone names an interface of this machine; it does not change which range the address is in.
  const address = ip.split('%', 1)[0]!;
  const family = isIP(address);
  if (family === 0) return 'not an IP address';
  if (family === 4) return reasonIn(METADATA, address) ?? judge4(address, policy);

  const carried = carried4(address);
  for (const each of [address, ...carried]) {
    const reason = reasonIn(METADATA, each);
    if (reason !== null) return reason;
  }
  const inner = carried[0];
  const innerReason = inner === undefined ? null : judge4(inner, policy);
  if (policy.allow6.check(address, 'ipv6')) return innerReason;
  // A mapped address is the IPv4 address in another spelling: what allows the one allows the other.
  if (inner !== undefined && isMapped(address) && policy.allow4.check(inner, 'ipv4')) return null;
  if (innerReason !== null) return innerReason;
  return (
    reasonIn(REFUSED_6, address) ??
    (reasonIn(GLOBAL_6, address) === null ? 'not a global unicast address' : null)
  );
}

function judge4(address: string, policy: DestinationPolicy): string | null {
  return policy.allow4.check(address, 'ipv4') ? null : reasonIn(REFUSED_4, address);
}

function isMapped(address: string): boolean {
  return REFUSED_6.some(
    ([reason, list]) => reason === 'an IPv4-mapped address' && list.check(address, 'ipv6'),
  );
}

/** The IPv4 addresses that an IPv6 address may lead to, the likeliest first. */
function carried4(address: string): string[] {
  const h = hextets(address);
  const zeros = (count: number) => h.slice(0, count).every((group) => group === 0);
  const at = (high: number, low: number) => dotted(h[high]!, h[low]!);
  // Mapped, translated (RFC 2765) and compatible. `::` and `::1` are no IPv4 addresses.
  if (zeros(5) && h[5] === 0xffff) return [at(6, 7)];
  if (zeros(4) && h[4] === 0xffff && h[5] === 0) return [at(6, 7)];
  if (zeros(6)) return h[6] === 0 && h[7]! <= 1 ? [] : [at(6, 7)];
  if (h[0] === 0x64 && h[1] === 0xff9b && h.slice(2, 6).every((group) => group === 0)) return [at(6, 7)];
  if (h[0] === 0x64 && h[1] === 0xff9b && h[2] === 1) {
    // RFC 6052: prefixes of 96, 48, 56 and 64 bits; the byte after the 64th bit is skipped.
    const bytes = h.flatMap((group) => [group >> 8, group & 0xff]);
    const pick = (...places: number[]) => places.map((place) => bytes[place]).join('.');
    return [at(6, 7), pick(6, 7, 9, 10), pick(7, 9, 10, 11), pick(9, 10, 11, 12)];
  }
  if (h[0] === 0x2002) return [at(1, 2)];
  // Teredo inverts the client's address.
  if (h[0] === 0x2001 && h[1] === 0) return [dotted(h[6]! ^ 0xffff, h[7]! ^ 0xffff)];
  return [];
}

function dotted(high: number, low: number): string {
  return [high >> 8, high & 0xff, low >> 8, low & 0xff].join('.');
}

/** The eight groups of a valid IPv6 address. */
function hextets(address: string): number[] {
  const groups = (text: string) =>
    text === ''
      ? []
      : text
          .split(':')
          .flatMap((group) => (group.includes('.') ? ofDotted(group) : [Number.parseInt(group, 16)]));
  const [head = '', tail = ''] = address.split('::');
  const left = groups(head);
  const right = groups(tail);
  return [...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right];
}

function ofDotted(text: string): [number, number] {
  const [a = 0, b = 0, c = 0, d = 0] = text.split('.').map(Number);
  return [(a << 8) | b, (c << 8) | d];
}

// ── URLs ────────────────────────────────────────────────────────────────────────────────────────────

// Protocols that take lines of text: a POST sent there could be read as commands.
const REFUSED_PORTS: ReadonlySet<number> = new Set([
  1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 79, 87, 110, 111, 113, 119, 123, 135,
  137, 139, 143, 161, 179, 389, 445, 465, 512, 513, 514, 515, 540, 548, 554, 587, 631, 636, 873, 993, 995,
  1433, 1521, 1723, 2049, 2375, 2376, 2379, 2380, 3306, 3389, 4190, 5060, 5061, 5432, 5672, 5900, 5984, 6000,
  6379, 6566, 6665, 6666, 6667, 6668, 6669, 6697, 9042, 9092, 9200, 9300, 10080, 10250, 11211, 27017, 27018,
  50000,
]);
const METADATA_NAMES: ReadonlySet<string> = new Set(['metadata.google.internal', 'metadata.goog']);
// Parsers drop or fold these without a word, so that a host reads as another one. \p{Cs} is a lone surrogate.
const HIDDEN = /[\p{Z}\p{Cc}\p{Cf}\p{Cs}\\]/u;

/**
 * Judges a URL as it was given, without asking DNS: a name is judged again, by its addresses, when it is dialled.
 * `url` is the text unchanged; `urlKey` its normal form (scheme and host in lower case, default port and fragment
 * dropped), by which health and duplicates are told.
 */
export function checkUrl(text: string, policy: DestinationPolicy): UrlVerdict {
  const refuse = (problem: string): UrlVerdict => ({ problem });
  if (text.length > MAX_URL_LENGTH)
    return refuse(`must be at most ${MAX_URL_LENGTH} characters, got ${text.length}`);
  if (HIDDEN.test(text))
    return refuse('must not contain spaces, control characters or backslashes: percent-encode them');
  const authority = /^https?:\/\/([^/?#]*)/i.exec(text)?.[1];
  if (authority === undefined)
    return refuse(`must start with "https://" or "http://", got ${shown(text.slice(0, 24))}`);
  if (authority === '') return refuse(`must name a host, got ${shown(text)}`);
  // The value is not repeated: it may hold a password.
  if (authority.includes('@'))
    return refuse('must not contain a user name or password: send a header instead');
  const port = /:(\d*)$/.exec(authority)?.[1];
  if (port && (Number(port) < 1 || Number(port) > 65_535))
    return refuse(`must have a port from 1 to 65535, got ${shown(port)}`);
  if (!URL.canParse(text)) return refuse(`must be a valid URL, got ${shown(text)}`);

  const url = new URL(text);
  if (REFUSED_PORTS.has(Number(url.port)))
    return refuse(`must not use port ${url.port}, which belongs to another protocol than HTTP`);
  const problem = hostProblem(url.hostname.replace(/^\[|\]$/g, ''), policy);
  if (problem !== null) return refuse(problem);
  return { url: text, urlKey: `${url.protocol}//${url.host}${url.pathname}${url.search}` };
}

function hostProblem(host: string, policy: DestinationPolicy): string | null {
  if (isIP(host) !== 0) {
    const reason = checkAddress(host, policy);
    return reason === null ? null : `must lead to a public address, got ${host}, ${reason}`;
  }
  const name = host.replace(/\.+$/, '');
  if (name === '') return `must name a host, got ${shown(host)}`;
  if (name.length > 253) return `must have a host name of at most 253 characters, got ${name.length}`;
  if (name === 'localhost' || name.endsWith('.localhost')) {
    const allowed = policy.allow4.check('127.0.0.1', 'ipv4') || policy.allow6.check('::1', 'ipv6');
    return allowed ? null : `must lead to a public address, got ${shown(host)}, a loopback name`;
  }
  if (METADATA_NAMES.has(name))
    return `must lead to a public address, got ${shown(host)}, a cloud metadata name`;
  if (!name.includes('.')) return `must name a host by its full name, with a dot, got ${shown(host)}`;
  return null;
}
