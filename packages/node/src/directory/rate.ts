/** How fast something grows, over the last seconds. */
export interface Rate {
  /** @param total as it is now. @returns its growth per second */
  read(total: number, nowMs?: number): number;
}

const SPAN_MS = 5_000;
const STEP_MS = 250;

export function createRate(): Rate {
  const samples: { readonly atMs: number; readonly total: number }[] = [];
  return {
    read(total, nowMs = performance.now()) {
      const last = samples.at(-1);
      if (!last || nowMs - last.atMs >= STEP_MS) samples.push({ atMs: nowMs, total });
      while (samples.length > 2 && nowMs - (samples[1]?.atMs ?? nowMs) > SPAN_MS) samples.shift();
      const [first] = samples;
      if (!first || nowMs - first.atMs < STEP_MS) return 0;
      return Math.max(0, Math.round(((total - first.total) / (nowMs - first.atMs)) * 1000));
    },
  };
}
