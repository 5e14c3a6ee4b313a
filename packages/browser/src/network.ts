import type { Network } from '@cos-slice/core';

/** `navigator.onLine` and its events, in pages and workers. Being online is only believed: the next request tells. */
export function createBrowserNetwork(): Network {
  return {
    online: () => typeof navigator === 'undefined' || navigator.onLine !== false,
    subscribe(listener) {
      if (typeof addEventListener !== 'function') return () => {};
      addEventListener('online', listener);
      addEventListener('offline', listener);
      return () => {
        removeEventListener('online', listener);
        removeEventListener('offline', listener);
      };
    },
  };
}
