import { describe, expect, test } from 'vitest';
import { remoteCredentials } from './remote-credentials.ts';

const NEVER = new AbortController().signal;
const answering = (body: unknown, status = 200, headers: Record<string, string> = {}) => {
  const asked: unknown[] = [];
  const send = async (_url: unknown, init?: { body?: unknown }) => {
    asked.push(init?.body);
    return Response.json(body, { status, headers });
  };
  return { asked, fetch: send as unknown as typeof fetch };
};
const EXPECTED = { secretId: 'ID', secretKey: 'KEY', token: 'TOKEN', expiresAtSec: 1_800_000_000 };

describe('credentials of an endpoint', () => {
  test.each([
    ['our own names', EXPECTED],
    [
      'those of the vendor’s examples',
      {
        credentials: { tmpSecretId: 'ID', tmpSecretKey: 'KEY', sessionToken: 'TOKEN' },
        startTime: 1_799_998_200,
        expiredTime: 1_800_000_000,
      },
    ],
    [
      'those of GetFederationToken',
      {
        Response: {
          Credentials: { TmpSecretId: 'ID', TmpSecretKey: 'KEY', Token: 'TOKEN' },
          ExpiredTime: 1_800_000_000,
        },
      },
    ],
    [
      'those of AssumeRole of AWS',
      {
        Credentials: {
          AccessKeyId: 'ID',
          SecretAccessKey: 'KEY',
          SessionToken: 'TOKEN',
          Expiration: '2027-01-15T08:00:00Z',
        },
      },
    ],
  ])('are read by %s', async (_name, reply) => {
    const { fetch } = answering(reply);
    const credentials = await remoteCredentials({ url: 'http://h/sts', fetch }).credentials(NEVER);
    expect(credentials).toMatchObject(EXPECTED);
  });

  test('live by the clock of the endpoint, where it tells its time', async () => {
    const given = async (reply: object, headers = {}) =>
      remoteCredentials({ url: 'http://h/sts', fetch: answering(reply, 200, headers).fetch }).credentials(NEVER);
    const date = { Date: 'Fri, 15 Jan 2027 07:00:00 GMT' };
    expect(await given(EXPECTED, date)).toMatchObject({ ...EXPECTED, startsAtSec: 1_800_000_000 - 3600 });
    expect(await given({ ...EXPECTED, startsAtSec: 1_799_999_000 }, date)).toMatchObject({
      startsAtSec: 1_799_999_000,
    });
    for (const headers of [{}, { Date: 'soon' }]) {
      expect((await given(EXPECTED, headers)).startsAtSec).toBeUndefined();
    }
  });

  test('are asked for once by uploads that begin together, with what the endpoint decides by', async () => {
    const { asked, fetch } = answering(EXPECTED);
    const provider = remoteCredentials({ url: 'http://h/sts', fetch, body: { prefix: 'in/' } });
    await Promise.all([provider.credentials(NEVER), provider.credentials(NEVER)]);
    expect(asked).toEqual(['{"prefix":"in/"}']);
    await provider.credentials(NEVER);
    expect(asked).toHaveLength(2);
  });

  test('that are none, or refused, are typed errors without a secret in them', async () => {
    const wrong = answering({ secretId: 'ID', secretKey: 7 });
    const asking = remoteCredentials({ url: 'http://h/sts', fetch: wrong.fetch }).credentials(NEVER);
    await expect(asking).rejects.toMatchObject({
      code: 'signing-failed',
      message: expect.stringMatching(/^the credentials endpoint must answer \{"secretId"/),
    });
    const refused = answering({}, 403);
    await expect(
      remoteCredentials({ url: 'http://h/sts', fetch: refused.fetch }).credentials(NEVER),
    ).rejects.toMatchObject({
      code: 'signing-failed',
      httpStatus: 403,
    });
    expect(() => remoteCredentials('')).toThrowError(/remoteCredentials: url must be/);
  });
});
