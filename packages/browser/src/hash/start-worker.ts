import { loadLate } from '../load-late.ts';

/** Of pages that require Trusted Types; what applications name in `trusted-types` of their Content-Security-Policy. */
const POLICY = 'cos-slice';

interface TrustedTypes {
  createPolicy(
    name: string,
    rules: { createScriptURL(url: string): string },
  ): { createScriptURL(url: string): unknown };
}

let policy: ReturnType<TrustedTypes['createPolicy']> | undefined;

/** Starts the hash worker from its source, which is text: that works with every bundler, and from a CDN. */
export async function startFromSource(): Promise<Worker> {
  const { workerSource } = await loadLate(() => import('./worker-source.gen.ts'), 'workerSource', 'hashing-failed');
  const url = URL.createObjectURL(new Blob([workerSource], { type: 'text/javascript' }));
  try {
    return new Worker(trusted(url));
  } finally {
    // The worker has its own hold on it by then; a page must not collect one per upload.
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
  }
}

/** The URL is made above, and nobody else gets at the policy. */
function trusted(url: string): string {
  const { trustedTypes } = globalThis as { readonly trustedTypes?: TrustedTypes };
  try {
    policy ??= trustedTypes?.createPolicy(POLICY, { createScriptURL: (own) => own });
  } catch {
    // Not allowed by name, or made by another copy of this code: where it matters, the worker does not start, and that is told.
  }
  return (policy?.createScriptURL(url) ?? url) as string;
}
