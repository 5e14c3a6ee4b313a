import { CosSliceError, isCosSliceError } from '@cos-slice/browser';
import type { I18n } from '@uppy/core/utils';
import { enUS } from './locale.ts';

/**
 * The same error for those who look at the page, in their language. What it said before, which is for those who develop, is its
 * `cause`.
 */
export function translate(error: Error, i18n: I18n): Error {
  if (!isCosSliceError(error)) return error;
  const key = `failed-${error.code}`;
  // A newer copy of the library may know other codes.
  if (!(key in enUS.strings)) return error;
  return new CosSliceError(error.code, i18n(key), { ...error, cause: error });
}
