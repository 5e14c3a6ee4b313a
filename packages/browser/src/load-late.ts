// Not from the index: what is loaded late imports this, and must not take the whole core into a chunk of its own.
import { CosSliceError, type ErrorCode } from '@cos-slice/core/errors';
import { within } from './within.ts';

const PATIENCE_MS = 12_000;

/**
 * Loads code that is not needed from the start, `load` being an `import()`. Browsers remember by its URL that a module could not
 * be loaded: it is asked for once more under another one.
 *
 * @param name an export of the module, to know it by
 * @param code of the error that it cannot be loaded
 * @throws CosSliceError worth another try where code may be loaded late at all
 */
export async function loadLate<M extends object>(
  load: () => Promise<M>,
  name: keyof M,
  code: ErrorCode = 'network',
): Promise<M> {
  // Service workers must not.
  const may = typeof Worker === 'function';
  try {
    const loading = load().catch((cause) => {
      // Of browsers that name the URL in the error; the others do not remember failures.
      const [url] = /https?:\S+/.exec(String(cause)) ?? [];
      if (!may || !url) throw cause;
      return import(/* @vite-ignore */ /* webpackIgnore: true */ `${url}${url.includes('?') ? '&' : '?'}${Date.now()}`);
    });
    const code = await within(PATIENCE_MS, loading);
    // Bundlers may have put it into another module, under a name of their own.
    for (const one of [code, ...Object.values(code ?? {})]) if (name in Object(one)) return one as M;
    throw new Error('nothing came');
  } catch (cause) {
    throw new CosSliceError(code, `code (${String(name)}) cannot be loaded: check the network`, {
      cause,
      remedy: may ? 'backoff' : 'none',
    });
  }
}
