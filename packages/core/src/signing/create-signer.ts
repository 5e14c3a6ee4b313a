import { CosSliceError, type OptionIssue } from '../errors.ts';
import type { CredentialsProvider, SignClaim, Signer } from '../ports.ts';
import { encodePath } from '../protocol/json-api/encode.ts';
import { pathIssues } from '../protocol/json-api/target.ts';
import { signatureText, signText, type TextSigner } from './signature.ts';

export interface SignerOptions {
  readonly appId: string | number;
  readonly bucket: string;
  readonly secretId: string;
  /** Keep it out of browsers. */
  readonly secretKey: string;
  /** How long a signature is good for, in seconds: 60 to 90 days. Default 3600. */
  readonly lifetimeSec?: number;
  /**
   * Bind each signature to its object's path (default), or let it cover the whole bucket. Those for one use and for downloads
   * are bound in any case.
   */
  readonly bound?: boolean;
  /**
   * Sign for a path that ends in a slash, too. Bound to one, a signature is for everything in the folder. Default: whether
   * signatures cover the whole bucket anyway.
   */
  readonly folders?: boolean;
}

const NINETY_DAYS_SEC = 90 * 24 * 3600;

/**
 * Signs with a secret key (protocol section 2). For machines that may hold the key; pages use `remoteSigner`. On a wire that is
 * signed with credentials it brings these: an application that moves to the XML API of COS keeps its signer.
 *
 * @param sign how texts are signed, where the runtime has something faster than WebCrypto
 * @throws CosSliceError `invalid-options`; `sign` throws `signing-failed` for another application or bucket
 */
export function createSigner(options: SignerOptions, sign: TextSigner = signText): Signer & CredentialsProvider {
  const { bucket, secretId, secretKey, lifetimeSec = 3600, bound = true, folders = !bound } = options;
  // NaN, and what is rounded, would be signed and refused.
  const appId = Number.isSafeInteger(options.appId) ? String(options.appId) : (options.appId as string);
  const issues: OptionIssue[] = [];
  for (const [option, value] of Object.entries({ appId, bucket, secretId, secretKey })) {
    if (typeof value !== 'string' || value === '') issues.push({ option, message: 'must be a text and not empty' });
    else if (/^\s|\s$/.test(value)) issues.push({ option, message: `must not ${edgeOf(value)}: cut it off` });
    else if (option !== 'secretKey' && /[&=\s]/.test(value))
      issues.push({ option, message: 'must not contain & = or spaces' });
  }
  if (!Number.isInteger(lifetimeSec) || lifetimeSec < 60 || lifetimeSec > NINETY_DAYS_SEC) {
    issues.push({ option: 'lifetimeSec', message: `must be a whole number from 60 to ${NINETY_DAYS_SEC}` });
  }
  if (issues.length > 0) {
    const text = issues.map((one) => `${one.option} ${one.message}`).join('; ');
    throw new CosSliceError('invalid-options', `invalid signer options: ${text}`, { issues });
  }

  return {
    credentials: () => ({ secretId, secretKey }),
    unbound: !bound,
    async sign(claim: SignClaim): Promise<string> {
      if (claim.appId !== appId || claim.bucket !== bucket) {
        const asked = `${claim.appId}/${claim.bucket}`;
        throw new CosSliceError(
          'signing-failed',
          `the signer is for ${appId}/${bucket}, not for ${asked}: make one for each bucket`,
        );
      }
      const once = claim.effect === 'once';
      const download = claim.effect === 'download';
      const isBound = bound || once || download;
      // An empty path would stand for the whole bucket, one that ends in a slash for all below it, and dots for something else.
      const named = folders && !download ? claim.path.replace(/\/$/, '') : claim.path;
      const [issue] = isBound ? pathIssues(named) : [];
      if (issue) throw new CosSliceError('signing-failed', `the signer signs for one object: path ${issue.message}`);
      // Without application and bucket in front, such a path is what signatures to write in the bucket are bound to.
      if (download && (claim.path === appId || `${claim.path}/`.startsWith(`${appId}/${bucket}/`))) {
        const what =
          'a download of what is called like application and bucket could not be told from leave to write there';
        throw new CosSliceError('signing-failed', what);
      }
      // Downloads come from the bucket's own address, which has only the path (protocol section 2).
      const fileId = isBound ? `${download ? '' : `/${appId}/${bucket}`}/${encodePath(claim.path)}` : '';
      const text = signatureText({
        appId,
        bucket,
        secretId,
        expiresAtSec: once ? 0 : claim.nowSec + lifetimeSec,
        nowSec: claim.nowSec,
        random: Math.floor(Math.random() * 0x7fffffff),
        fileId,
      });
      return sign(secretKey, text);
    },
  };
}

/** Where keys from files and environments have what nobody sees. */
function edgeOf(value: string): string {
  if (/[\r\n]$/.test(value)) return 'end in a line break';
  return /\s$/.test(value) ? 'end in white space' : 'begin with white space';
}
