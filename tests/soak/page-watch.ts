// Comes before everything else in a page, and counts what is made and not given back there.
export interface PageHeld {
  readonly requests: number;
  readonly timers: number;
  readonly workers: number;
  readonly objectUrls: number;
}

const requests = new Set<XMLHttpRequest>();
const timers = new Set<number>();
const workers = new Set<Worker>();
const urls = new Set<string>();
let fetches = 0;

const { send } = XMLHttpRequest.prototype;
XMLHttpRequest.prototype.send = function (body) {
  requests.add(this);
  this.addEventListener('loadend', () => requests.delete(this));
  send.call(this, body ?? null);
};

const { fetch: realFetch } = globalThis;
globalThis.fetch = async (...given) => {
  fetches += 1;
  try {
    return await realFetch(...given);
  } finally {
    fetches -= 1;
  }
};

/** Such as until an idle worker goes: what takes so long is not waited for here. */
const LONG_MS = [10_000, 60_000];

const { setTimeout: start, clearTimeout: stop, setInterval: repeat, clearInterval: cease } = globalThis;
Object.assign(globalThis, {
  setTimeout(act: () => void, ms?: number) {
    const timer = start(
      () => {
        timers.delete(timer);
        act();
      },
      LONG_MS.includes(ms ?? 0) ? 1000 : ms,
    ) as unknown as number;
    timers.add(timer);
    return timer;
  },
  clearTimeout(timer: number) {
    timers.delete(timer);
    stop(timer);
  },
  setInterval(act: () => void, ms?: number) {
    const timer = repeat(act, ms) as unknown as number;
    timers.add(timer);
    return timer;
  },
  clearInterval(timer: number) {
    timers.delete(timer);
    cease(timer);
  },
});

const { Worker: RealWorker } = globalThis;
globalThis.Worker = class extends RealWorker {
  constructor(...given: ConstructorParameters<typeof RealWorker>) {
    super(...given);
    workers.add(this);
  }
  override terminate(): void {
    workers.delete(this);
    super.terminate();
  }
};

const { createObjectURL, revokeObjectURL } = URL;
URL.createObjectURL = (thing) => {
  const url = createObjectURL.call(URL, thing);
  urls.add(url);
  return url;
};
URL.revokeObjectURL = (url) => {
  urls.delete(url);
  revokeObjectURL.call(URL, url);
};

export const pageHeld = (): PageHeld => ({
  requests: requests.size + fetches,
  timers: timers.size,
  workers: workers.size,
  objectUrls: urls.size,
});
