/** What is looked back on. */
const WINDOW_MS = 5000;

/** Measures a speed from what is told to it, over the last seconds. */
export type Meter = (bytes: number, nowMs: number) => number;

export function createMeter(): Meter {
  const seen: { readonly bytes: number; readonly atMs: number }[] = [];
  return (bytes, nowMs) => {
    seen.push({ bytes, atMs: nowMs });
    while (seen.length > 2 && nowMs - (seen[1]?.atMs ?? nowMs) >= WINDOW_MS) seen.shift();
    const [first = { bytes, atMs: nowMs }] = seen;
    const spanMs = nowMs - first.atMs;
    return spanMs > 0 ? Math.max(0, ((bytes - first.bytes) / spanMs) * 1000) : 0;
  };
}
