import type { LookupAddress } from 'node:dns';
import { lookup as systemLookup } from 'node:dns/promises';
import { isIP, type LookupFunction, Socket } from 'node:net';
import { buildConnector } from 'undici';
import { checkAddress, type DestinationPolicy } from '../destination.js';

/** Every address of a name. Rejects where the name is unknown or the resolver fails. */
export type Lookup = (hostname: string) => Promise<readonly LookupAddress[]>;

/** The policy forbids an address that this connection would have reached. Nothing was sent. */
export class BlockedDestinationError extends Error {
  constructor(readonly reason: string) {
    super(`the destination is ${reason}`);
    this.name = 'BlockedDestinationError';
  }
}

/** The name could not be resolved. */
export class ResolveError extends Error {
  constructor() {
    super('the host name could not be resolved');
    this.name = 'ResolveError';
  }
}

export interface ConnectorOptions {
  policy: DestinationPolicy;
  lookup?: Lookup;
  /** Trusted roots in place of the system's, PEM. */
  ca?: string[];
}

export interface GuardedConnector {
  connect: buildConnector.connector;
  /** Whether a look-up of this name is under way: a call that times out then was not slowed by its receiver. */
  isResolving(hostname: string): boolean;
  /** Gives up the connections that are being made: undici leaves them to their timeout when it is closed. */
  close(): void;
}

/** A connection that is not up by then is given up, though calls that wait for it may have ended before. */
const CONNECT_TIMEOUT_MS = 10_000;
/** Per address of a name with several; Node's 250 ms is less than one round trip to the far side of the earth. */
const ADDRESS_TIMEOUT_MS = 1_000;

/**
 * The boundary that no URL, DNS answer or redirect gets past. Three layers: a literal is judged before it is dialled
 * (undici does not look literals up); of a name every address is judged, in the very look-up that the connection
 * uses, and one refused address fails the whole answer; what was reached is judged again.
 */
export function guardedConnector(options: ConnectorOptions): GuardedConnector {
  const { policy } = options;
  const resolver = guardedLookup(policy, options.lookup ?? ((name) => systemLookup(name, { all: true })));
  const dial = buildConnector({
    lookup: resolver.lookup,
    timeout: CONNECT_TIMEOUT_MS,
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ADDRESS_TIMEOUT_MS,
    // Said aloud, since NODE_TLS_REJECT_UNAUTHORIZED=0 would otherwise switch it off.
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2',
    ...(options.ca ? { ca: options.ca } : {}),
  });

  const dialling = new Set<Socket>();

  const connect: buildConnector.connector = (target, callback) => {
    const host = target.hostname.replace(/^\[|\]$/g, '');
    const reason = isIP(host) === 0 ? null : checkAddress(host, policy);
    if (reason !== null) {
      queueMicrotask(() => callback(new BlockedDestinationError(reason), null));
      return;
    }
    // undici's connector returns the socket that it dials, though its type does not say so.
    const dialled: unknown = dial(target, (error, socket) => {
      if (dialled instanceof Socket) dialling.delete(dialled);
      if (error) callback(error, null);
      else verify(socket, callback);
    });
    if (dialled instanceof Socket) dialling.add(dialled);
  };

  function verify(socket: Socket, callback: buildConnector.Callback): void {
    const remote = socket.remoteAddress;
    // No address: the other side has closed already. undici would dial again without end on an error of its own kind.
    const error =
      remote === undefined ? new Error('the connection was closed') : blocked(checkAddress(remote, policy));
    if (error === null) {
      callback(null, socket);
      return;
    }
    socket.destroy();
    callback(error, null);
  }

  function close(): void {
    for (const socket of dialling) socket.destroy(new Error('the connection was given up'));
  }

  return { connect, isResolving: resolver.isResolving, close };
}

function blocked(reason: string | null): Error | null {
  return reason === null ? null : new BlockedDestinationError(reason);
}

function guardedLookup(policy: DestinationPolicy, lookup: Lookup) {
  // Look-ups of one name under way at one time share an answer: they run on few threads. Nothing is kept.
  const pending = new Map<string, Promise<readonly LookupAddress[]>>();

  function resolve(hostname: string): Promise<readonly LookupAddress[]> {
    const running = pending.get(hostname);
    if (running) return running;
    const started = judged(hostname).finally(() => pending.delete(hostname));
    pending.set(hostname, started);
    return started;
  }

  async function judged(hostname: string): Promise<readonly LookupAddress[]> {
    let addresses: readonly LookupAddress[];
    try {
      addresses = await lookup(hostname);
    } catch {
      throw new ResolveError();
    }
    if (addresses.length === 0) throw new ResolveError();
    for (const { address } of addresses) {
      const reason = checkAddress(address, policy);
      if (reason !== null) throw new BlockedDestinationError(reason);
    }
    return addresses;
  }

  const guarded: LookupFunction = (hostname, options, callback) => {
    resolve(hostname).then(
      (addresses) => {
        const first = addresses[0]!;
        if (options.all) callback(null, [...addresses]);
        else callback(null, first.address, first.family);
      },
      (error: Error) => callback(error, []),
    );
  };
  return { lookup: guarded, isResolving: (hostname: string) => pending.has(hostname) };
}
