import type { IncomingMessage } from 'node:http';
import { type Address, type ObjectUrls, objectUrls } from './http/address.ts';
import type { Settings } from './options.ts';
import type { Grant } from './signature/signature.ts';
import type { Target } from './store/store.ts';

/** What an operation knows of the request it answers, besides its form. */
export interface Exchange {
  readonly settings: Settings;
  readonly target: Target;
  /** Whether the path is that of a directory: it ended in a slash. */
  readonly isDirectory: boolean;
  readonly grant: Grant;
  readonly nowMs: number;
  readonly urls: ObjectUrls;
  urlsOf(target: Target): ObjectUrls;
}

export function createExchange(settings: Settings, req: IncomingMessage, address: Address, grant: Grant): Exchange {
  const { target, isDirectory } = address;
  return {
    settings,
    target,
    isDirectory,
    grant,
    // Bodies take their time: what is fresh or stale is so when it is looked at.
    get nowMs() {
      return settings.nowMs();
    },
    // Most replies have none.
    get urls() {
      return objectUrls(settings, req, target);
    },
    urlsOf: (other) => objectUrls(settings, req, other),
  };
}
