import { hostname, networkInterfaces } from 'node:os';
import type { Network } from '@cos-slice/core';

const POLL_MS = 1_000;

export interface EndpointNetwork extends Network {
  /** A request has failed: looks whether there still is a network, and tells the listeners when there is none. */
  check(): void;
}

/**
 * Whether this machine has a network that can lead to `endpoint`: any address but the loopback ones, which are enough for an
 * endpoint on this machine. The system is asked when something fails and, from then on, every second until it is back.
 */
export function createNetwork(endpoint: string): EndpointNetwork {
  const local = isLocal(endpoint);
  const listeners = new Set<() => void>();
  let timer: NodeJS.Timeout | undefined;

  const online = (): boolean => local || hasAddress();
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  const tell = (): void => {
    for (const listener of [...listeners]) listener();
  };
  const poll = (): void => {
    if (!online()) return;
    stop();
    tell();
  };
  const watch = (): void => {
    // Keeps the process alive: an upload that waits for the network has nothing else to do.
    if (listeners.size > 0) timer ??= setInterval(poll, POLL_MS);
  };

  return {
    online,
    subscribe(listener) {
      const entry = (): void => listener();
      listeners.add(entry);
      if (!online()) watch();
      return () => {
        listeners.delete(entry);
        if (listeners.size === 0) stop();
      };
    },
    check() {
      if (timer !== undefined || online()) return;
      watch();
      tell();
    },
  };
}

function hasAddress(): boolean {
  try {
    return Object.values(networkInterfaces()).some((addresses) => addresses?.some((address) => !address.internal));
  } catch {
    // Some sandboxes forbid to ask; then only trying tells.
    return true;
  }
}

function isLocal(endpoint: string): boolean {
  if (!URL.canParse(endpoint)) return false;
  const host = new URL(endpoint).hostname;
  return (
    /^(127\.|\[::1\]$|0\.0\.0\.0$|\[::\]$)/.test(host) ||
    host === 'localhost' ||
    host.endsWith('.localhost') ||
    host === hostname().toLowerCase()
  );
}
