import type { IncomingMessage } from 'node:http';
import { type ObjectUrls, objectUrls } from './http/address.ts';
import type { Settings } from './options.ts';
import type { Grant } from './signature/signature.ts';
import type { Target } from './store/store.ts';

/** What an operation knows of the request it answers, besides its form. */
export interface Exchange {
  readonly settings: Settings;
  readonly target: Target;
  readonly grant: Grant;
  readonly nowMs: number;
  readonly urls: ObjectUrls;
}

export function createExchange(settings: Settings, req: IncomingMessage, target: Target, grant: Grant): Exchange {
  return {
    settings,
    target,
    grant,
    // Bodies take their time: what is fresh or stale is so when it is looked at.
    get nowMs() {
      return settings.nowMs();
    },
    // Most replies have none.
    get urls() {
      return objectUrls(settings, req, target);
    },
  };
}
