import type { Route } from '../dialect.js';

/** A path's routes by method, and what it names. */
export interface Matched {
  route: Route | undefined;
  params: Record<string, string | undefined>;
  /** Of all routes of the path, as the header Allow has them. */
  methods: string;
  /** And what is answered beside them, for who asks what there is. */
  allow: string;
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS'];

/** The route for a path below a dialect's prefix; null where none has it, and where it is no UTF-8. */
export function matching(routes: readonly Route[]): (method: string, path: string) => Matched | null {
  const patterns = routes.map((route) => ({ route, parts: route.path.slice(1).split('/') }));
  return (method, path) => {
    const segments = segmentsOf(path);
    if (!segments) return null;
    const found = patterns.flatMap(({ route, parts }) => {
      const params = paramsOf(parts, segments);
      return params ? [{ route, params }] : [];
    });
    if (found.length === 0) return null;
    // A path that is written out comes before one with a name in it.
    found.sort((a, b) => Object.keys(a.params).length - Object.keys(b.params).length);
    const match = found.find(({ route }) => route.method === method);
    const methods = new Set<string>(found.map((one) => one.route.method));
    const all = new Set([...methods, 'OPTIONS', ...(methods.has('GET') ? ['HEAD'] : [])]);
    const inOrder = (set: ReadonlySet<string>) => METHODS.filter((one) => set.has(one)).join(', ');
    return {
      route: match?.route,
      params: match?.params ?? {},
      methods: inOrder(methods),
      allow: inOrder(all),
    };
  };
}

/** Decoded; a slash at the end makes no difference. */
function segmentsOf(path: string): string[] | null {
  try {
    return path.replace(/\/$/, '').slice(1).split('/').map(decodeURIComponent);
  } catch {
    return null;
  }
}

function paramsOf(parts: string[], segments: string[]): Matched['params'] | null {
  if (segments.length > parts.length) return null;
  const params: Matched['params'] = {};
  for (const [index, part] of parts.entries()) {
    const given = segments[index];
    if (part.startsWith(':')) {
      const optional = part.endsWith('?');
      if ((given === undefined || given === '') && !optional) return null;
      params[part.slice(1, optional ? -1 : undefined)] = given === '' ? undefined : given;
    } else if (part !== given) return null;
  }
  return params;
}
