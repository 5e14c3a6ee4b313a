import { createHmac } from 'node:crypto';
import { allows, grantOf, verify } from '../../../packages/server/src/signature/signature.ts';
import { createVerifier } from '../../../packages/server/src/signature/verified.ts';
import { expect, type Target } from '../engine/target.ts';
import { codeOf } from './forms.ts';

const NOW_SEC = 1_600_000_000;
const ACCOUNT = {
  appId: '10055004',
  secretId: 'AKID',
  secretKey: 'no stranger knows it',
  buckets: ['demobucket', 'other'],
};
const ACCOUNTS = new Map([[ACCOUNT.secretId, ACCOUNT]]);
const PATHS = ['', 'a', 'dir', 'dir/', 'dir/b', 'dirty', 'dir/b c', '中', 'dir%2Fb', 'a/b/c'];
const plain = (expires: number, fileId: string, more = ''): string =>
  `a=10055004&b=demobucket&k=AKID&e=${expires}&t=${NOW_SEC}&r=1&f=${fileId}${more}`;

function sign(text: Buffer): string {
  return Buffer.concat([createHmac('sha1', ACCOUNT.secretKey).update(text).digest(), text]).toString('base64');
} // prettier-ignore

/** The text of signatures, signed as it should be, as it is, and with a byte of it changed. */
export const signatures: Target = {
  name: 'signatures',
  about:
    'texts of signatures: none that is forged is good, and one that is genuine is good for what it says and no more',
  seeds: [
    plain(NOW_SEC + 60, ''),
    plain(NOW_SEC + 60, '/10055004/demobucket/dir'),
    plain(NOW_SEC + 60, '/10055004/demobucket/dir/b%20c'),
    plain(NOW_SEC + 60, 'dir/b'),
    plain(0, '/10055004/demobucket/a'),
    plain(0, '/10055004/demobucket/dir//'),
    plain(NOW_SEC - 1, ''),
    `a=10055004&b=demobucket&k=AKID&e=0&t=${NOW_SEC}&r=1&f=%2F10055004%2Fdemobucket%2Fdir%252Fb`,
    'a=1&k=AKID&b=other&e=1700000000&t=1&r=12345678901234567890&f=',
    sign(Buffer.from(plain(NOW_SEC + 60, ''))).slice(0, 40),
  ],
  words: ['&f=', '&e=0', '&b=other', '&a=', '/10055004/demobucket/', '%2F', '%25', '1600000060'],
  growsTo: 8 * 1024,
  run(input) {
    const verifier = createVerifier(ACCOUNTS);
    // Nobody who has no key makes one.
    for (const text of [input.toString('latin1'), input.toString('base64')]) {
      expect(
        throwsRefusal(() => verify(text, ACCOUNTS)),
        'a forged signature is good',
      );
    }
    const genuine = sign(input);
    const bytes = Buffer.from(genuine, 'base64');
    const at = input.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7) % bytes.length;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    expect(
      throwsRefusal(() => verify(bytes.toString('base64'), ACCOUNTS)),
      'a signature is good with another byte',
    );
    for (const bucket of ['demobucket', 'other', '10055004']) {
      for (const path of PATHS) {
        for (const use of ['write', 'read', 'once'] as const) {
          const target = { appId: '10055004', bucket, path };
          if (!throwsRefusal(() => allows(grantOf(verifier(genuine), target, NOW_SEC), target, use)))
            check(input, target, use);
        }
      }
    }
  },
}; // prettier-ignore

function throwsRefusal(act: () => unknown): boolean {
  try {
    act();
    return false;
  } catch (error) {
    codeOf(error);
    return true;
  }
}

/** What it is good for, once more, and plainly: by what the signature says as it stands there. */
function check(text: Buffer, { bucket, path }: { bucket: string; path: string }, use: 'write' | 'read' | 'once'): void {
  const says = new Map(
    text
      .toString('utf8')
      .split('&')
      .map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]),
  );
  const told = `${use} of ${bucket}/${path} by ${JSON.stringify(text.toString('utf8'))}`;
  expect(says.get('a') === '10055004' && says.get('b') === bucket && says.get('k') === 'AKID', told);
  const expires = Number(says.get('e'));
  expect(use === 'once' ? expires === 0 && Math.abs(Number(says.get('t')) - NOW_SEC) <= 600 : expires > NOW_SEC, told);
  const fileIds = readings(says.get('f') ?? '');
  const full = `/10055004/${bucket}/${path}`;
  const isCovered = fileIds.some((fileId) => {
    if (use === 'once') return fileId === full;
    const places = use === 'read' ? [full, `/${path}`, path] : [full];
    return fileId === '' || places.some((place) => place === fileId || place.startsWith(fileId.replace(/\/?$/, '/')));
  });
  expect(isCovered, told);
} // prettier-ignore

/** As it stands there, decoded, and decoded again as one client wants it, with one slash at the end. */
function readings(fileId: string): string[] {
  const found = [fileId];
  for (const one of [0, 1]) {
    try {
      found.push(decodeURIComponent(found[one] ?? ''));
    } catch {
      break;
    }
  }
  return found.map((one) => one.replace(/\/+$/, '/'));
}
