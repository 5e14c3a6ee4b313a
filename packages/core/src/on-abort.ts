const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back when a signal is aborted; what is aborted already calls nobody. However many uploads share a signal, it has one
 * listener: Node.js takes more than ten for a leak, and says so.
 *
 * @returns takes the callback back
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let callbacks = waiting.get(signal);
  if (!callbacks) {
    const all = new Set<() => void>();
    signal.addEventListener('abort', () => {
      for (const one of all) one();
    });
    waiting.set(signal, all);
    callbacks = all;
  }
  callbacks.add(callback);
  return () => void callbacks.delete(callback);
}
