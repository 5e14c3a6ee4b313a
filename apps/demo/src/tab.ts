const KEPT_AS = 'cos-slice-demo-tab';
/** A page that is reloaded lets go of its lock only a moment after the next one has begun. */
const PATIENCE_MS = 1000;

/**
 * The name under which this tab keeps its uploads: its own as long as it is open, also after a reload. What a closed tab has
 * left unfinished falls to the next one that is opened.
 */
export async function claimTab(): Promise<string> {
  const kept = readKept();
  // Not every browser has locks, or has them here.
  const name = await claim(kept).catch(() => kept ?? `demo-${crypto.getRandomValues(new Uint32Array(2)).join('-')}`);
  try {
    sessionStorage.setItem(KEPT_AS, name);
  } catch {
    // Another name after a reload, then.
  }
  return name;
}

/** A duplicated tab comes with the name of the one that it was made from: the lock tells whose it is. */
async function claim(kept: string | null): Promise<string> {
  if (kept && (await hold(kept, { signal: AbortSignal.timeout(PATIENCE_MS) }))) return kept;
  for (let at = 1; ; at += 1) if (await hold(`demo-${at}`, { ifAvailable: true })) return `demo-${at}`;
}

/** Takes a lock until the tab is closed, or says that another one has it. */
function hold(name: string, options: LockOptions): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const granted = (lock: Lock | null): Promise<never> | undefined => {
      resolve(lock !== null);
      return lock ? new Promise(() => {}) : undefined;
    };
    navigator.locks.request(`cos-slice-demo-${name}`, options, granted).catch((error) => {
      if (options.signal?.aborted) resolve(false);
      else reject(error);
    });
  });
}

function readKept(): string | null {
  try {
    return sessionStorage.getItem(KEPT_AS);
  } catch {
    return null;
  }
}
