import { S3Error } from './s3/s3-error.ts';

/** What a storage says that another try cannot mend, and how it is put to the client. A full disk is not among it. */
const REFUSALS: Readonly<Record<string, string>> = {
  EACCES: 'the server may not write there',
  EPERM: 'the server may not write there',
  EROFS: 'the server can only read there',
  EXDEV: 'the server cannot move files there',
  ELOOP: 'links there lead nowhere',
  ENAMETOOLONG: 'a name is too long for the storage',
  EILSEQ: 'the storage cannot have such a name',
  EFBIG: 'the file is too large for the storage',
  ENOTSUP: 'the storage cannot do that',
  ENOSYS: 'the storage cannot do that',
};

/** Why an error from node:fs or of an object store is final; undefined for one that may pass. */
export function refusalOf(error: unknown): string | undefined {
  if (error instanceof S3Error) return error.refusal;
  if (!(error instanceof Error)) return undefined;
  const { code = '', path } = error as NodeJS.ErrnoException;
  if (code in REFUSALS) return `${REFUSALS[code]} (${code})`;
  // What exFAT and its kind say to names that they cannot have.
  if (code === 'EINVAL' && path !== undefined) return `${REFUSALS.EILSEQ} (${code})`;
  return undefined;
}
