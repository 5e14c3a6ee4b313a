import { isCosSliceError, remoteCredentials, remoteSigner, tokenServerSigner } from '@cos-slice/core';
import { readMessage } from '../engine/message.ts';
import { expect, type Target } from '../engine/target.ts';
import { checkError } from './replies.ts';

const CLAIM = {
  appId: '10055004',
  bucket: 'demobucket',
  path: 'dir/a',
  effect: 'multi',
  nowSec: 1_600_000_000,
} as const;
const SIGNATURE = Buffer.from('0123456789abcdef0123a=1&b=d&k=i&e=1900000000&t=1600000000&r=1&f=').toString('base64');
const ok = (body: unknown): string => `HTTP/1.1 200 OK\n\n${JSON.stringify(body)}`;

/** What an endpoint answers that hands out signatures or credentials. */
export const signingAnswers: Target = {
  name: 'signing-answers',
  about: 'answers of endpoints that sign: something to sign with that fits into a header, or an error',
  seeds: [
    ok({ signature: SIGNATURE }),
    ok({ signature: SIGNATURE, expiresAtSec: 1_900_000_000 }),
    ok({ code: 0, message: 'ok', data: encodeURIComponent(SIGNATURE) }),
    ok({ code: -3, message: 'no', data: '' }),
    ok({ secretId: 'i', secretKey: 'k', token: 't', expiresAtSec: 1_900_000_000, startsAtSec: 1_600_000_000 }),
    ok({ Response: { Credentials: { TmpSecretId: 'i', TmpSecretKey: 'k', Token: 't' }, ExpiredTime: 1_900_000_000 } }),
    ok({
      Credentials: { AccessKeyId: 'i', SecretAccessKey: 'k', SessionToken: 't', Expiration: '2030-01-01T00:00:00Z' },
    }),
    'HTTP/1.1 302 Found\nLocation: http://elsewhere/?token=x\n\n',
    'HTTP/1.1 401 No\n\n',
    'HTTP/1.1 503 No\n\n<html>',
  ],
  words: ['"signature":', '"data":', '"Credentials":', '"expiresAtSec":', '"Expiration":', '%2F', SIGNATURE],
  async run(input) {
    const { start, headers, body } = readMessage(input);
    const status = Math.max(200, Math.min(599, Number(/\d{3}/.exec(start)?.[0] ?? 200)));
    const answer = async (): Promise<Response> => {
      const isBare = status === 204 || status === 205 || status === 304;
      const fitting = headers.filter(([name, value]) => /^[\w-]+$/.test(name) && !/[\0\r\n]/.test(value));
      return new Response(isBare ? null : new Uint8Array(body), { status, headers: fitting as [string, string][] });
    };
    const { signal } = new AbortController();
    const url = 'http://sign.test/sign';
    const signers = [remoteSigner({ url, fetch: answer }), tokenServerSigner({ url, password: 'p', fetch: answer })];
    for (const signer of signers) {
      await tolerant(async () => {
        const signature = await signer.sign(CLAIM, signal);
        expect(typeof signature === 'string' && isHeader(signature), `a signature that no header takes: ${signature}`);
      });
    }
    await tolerant(async () => {
      const {
        secretId,
        secretKey,
        token,
        expiresAtSec = 0,
        startsAtSec = 0,
      } = await remoteCredentials({
        url,
        fetch: answer,
      }).credentials(signal);
      const texts = [secretId, secretKey, token ?? 't'];
      expect(
        texts.every((text) => typeof text === 'string' && text !== ''),
        'credentials that are no texts',
      );
      expect(isHeader(secretId) && isHeader(token ?? 't'), 'credentials that no header takes');
      expect(Number.isFinite(expiresAtSec) && Number.isFinite(startsAtSec), 'credentials that end at no time');
    });
  },
}; // prettier-ignore

async function tolerant(act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    checkError(error);
    if (!isCosSliceError(error, 'signing-failed')) throw error;
  }
}

function isHeader(text: string): boolean {
  return /^[\t\x20-\xff]*$/.test(text) && text.trim() === text;
}
