// What a page does in a soak. Bundled and loaded into Chromium.
// First of all, or else what is counted there is not what is used here.
import './page-watch.ts';
import { isCosSliceError, remoteSigner, uploadBlob } from '@cos-slice/browser';
import type { Ended } from './limits.ts';
import { type PageHeld, pageHeld } from './page-watch.ts';
import type { UploadPlan } from './plan.ts';

export interface PageOrder {
  readonly plan: UploadPlan;
  readonly endpoint: string;
  readonly signUrl: string;
  readonly contentUrl: string;
  readonly retry: object;
  readonly timeouts: object;
}

export interface AllHeld extends PageHeld {
  readonly locks: number;
  readonly records: number;
}

const MOMENT_MS = 200;
const troubles: string[] = [];
addEventListener('unhandledrejection', ({ reason }) =>
  troubles.push(`unhandled rejection: ${reason?.stack ?? reason}`),
);
addEventListener('error', ({ message }) => troubles.push(`uncaught: ${message}`));

const api = {
  fraction: 0,
  async upload({ plan, endpoint, signUrl, contentUrl, retry, timeouts }: PageOrder): Promise<Ended> {
    const { path, integrity, sliceSize, concurrency } = plan;
    const blob = await (await fetch(contentUrl)).blob();
    const upload = uploadBlob(new File([blob], 'file.bin', { lastModified: 1 }), {
      endpoint,
      appId: '10055004',
      bucket: 'demobucket',
      signer: remoteSigner(signUrl),
      path,
      integrity,
      sliceSize,
      retry,
      timeouts,
      ...(concurrency !== undefined && { concurrency }),
    });
    const pauses = [...plan.pauses];
    api.fraction = 0;
    upload.subscribe(({ progress: { fraction, phase } }) => {
      if (fraction < api.fraction || fraction > 1)
        troubles.push(`${path}: progress goes from ${api.fraction} to ${fraction}`);
      api.fraction = fraction;
      const [pauseAt = 2] = pauses;
      if (fraction < pauseAt || phase !== 'sending') return;
      pauses.shift();
      upload.pause();
      setTimeout(() => upload.resume(), MOMENT_MS);
    });
    const error = await upload.done.then(
      () => undefined,
      (reason) => reason,
    );
    const { sentBytes, resumedBytes } = upload.state.progress;
    if (!error) return { sentBytes, resumedBytes };
    return { code: isCosSliceError(error) ? error.code : error.name, message: error.message, sentBytes, resumedBytes };
  },
  async held(): Promise<AllHeld> {
    const { held = [], pending = [] } = await navigator.locks.query();
    return { ...pageHeld(), locks: held.length + pending.length, records: await records() };
  },
  troubles: () => troubles.splice(0),
};

/** Of uploads that are remembered. */
async function records(): Promise<number> {
  const known = await indexedDB.databases();
  if (!known.some(({ name }) => name === 'cos-slice')) return 0;
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open('cos-slice');
    opening.onerror = () => reject(opening.error);
    opening.onsuccess = () => {
      const counting = opening.result.transaction('uploads').objectStore('uploads').count();
      counting.onerror = () => reject(counting.error);
      counting.onsuccess = () => {
        opening.result.close();
        resolve(counting.result);
      };
    };
  });
}

export type PageSoak = typeof api;

declare global {
  var soak: PageSoak;
}
globalThis.soak = api;
