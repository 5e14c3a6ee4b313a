import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { withFolder } from '@cos-slice/testkit/files';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createCredentials, credentialsFromEnvironment, type S3Credentials } from './credentials.ts';

const KEYS = { accessKeyId: 'AK', secretAccessKey: 'SK' };

describe('credentials from the environment are', () => {
  test('those of its variables first', async () => {
    const env = { AWS_ACCESS_KEY_ID: 'AK', AWS_SECRET_ACCESS_KEY: 'SK', AWS_SHARED_CREDENTIALS_FILE: '/nothing' };
    expect(await credentialsFromEnvironment(env)).toEqual(KEYS);
    expect(await credentialsFromEnvironment({ ...env, AWS_SESSION_TOKEN: 'T' })).toEqual({
      ...KEYS,
      sessionToken: 'T',
    });
  });

  test.each(
    ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'].flatMap((name) =>
      ['hush\n', ' hush', 'hush\n.'].map((value) => [name, value] as const),
    ),
  )('not taken where %s is %j: it is named and not shown', async (name, value) => {
    const env = { AWS_ACCESS_KEY_ID: 'AK', AWS_SECRET_ACCESS_KEY: 'SK', [name]: value };
    const failure = await credentialsFromEnvironment(env).catch((error) => error);
    expect(failure.message).toBe(`${name} has a line break in it or white space around it: take that out`);
  });

  const FILE = [
    '# comment',
    '[default]',
    'aws_access_key_id = AK',
    'aws_secret_access_key=SK',
    '',
    '[ other ]',
    'aws_access_key_id = AK2\r',
    'aws_secret_access_key = S=K2',
    'aws_session_token = T2',
    '[half]',
    'aws_access_key_id = AK3',
  ].join('\n');

  async function withFile<T>(use: (file: string, home: string) => Promise<T>): Promise<T> {
    return withFolder(async (home) => {
      const file = join(home, 'credentials');
      await writeFile(file, FILE);
      return use(file, home);
    });
  }

  test('then those of a profile in a file', async () => {
    await withFile(async (file) => {
      const env = { AWS_SHARED_CREDENTIALS_FILE: file };
      expect(await credentialsFromEnvironment(env)).toEqual(KEYS);
      expect(await credentialsFromEnvironment({ ...env, AWS_ACCESS_KEY_ID: 'only one of two' })).toEqual(KEYS);
      expect(await credentialsFromEnvironment({ ...env, AWS_PROFILE: 'other' })).toEqual({
        accessKeyId: 'AK2',
        secretAccessKey: 'S=K2',
        sessionToken: 'T2',
      });
    });
  });

  test.each(['half', 'nobody'])('not guessed where the profile %s was named and has none', async (profile) => {
    await withFile(async (file) => {
      const env = { AWS_SHARED_CREDENTIALS_FILE: file, AWS_PROFILE: profile };
      await expect(credentialsFromEnvironment(env)).rejects.toThrow(`the profile ${profile} has no`);
    });
  });

  test('refused where a file was named that is not there, and where there is nothing at all', async () => {
    await withFolder(async (home) => {
      const gone = { AWS_SHARED_CREDENTIALS_FILE: join(home, 'gone') };
      await expect(credentialsFromEnvironment(gone)).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(credentialsFromEnvironment({ HOME: home })).rejects.toThrow('set AWS_ACCESS_KEY_ID');
    });
  });

  describe('at last those of the container', () => {
    async function startContainer(
      status: number,
      body: object,
      date?: string,
    ): Promise<{ url: string; tokens: unknown[] }> {
      const tokens: unknown[] = [];
      const server = createServer((req, res) => {
        tokens.push(req.headers.authorization);
        res.sendDate = false;
        if (date !== undefined) res.setHeader('Date', date);
        res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      onTestFinished(() => void server.close());
      return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`, tokens };
    }

    test('with the token it was given, or that is in a file', async () => {
      const Expiration = '2030-01-02T03:04:05Z';
      const { url, tokens } = await startContainer(200, {
        AccessKeyId: 'AK',
        SecretAccessKey: 'SK',
        Token: 'T',
        Expiration,
      });
      await withFolder(async (home) => {
        const env = { HOME: home, AWS_CONTAINER_CREDENTIALS_FULL_URI: url };
        const expected = { ...KEYS, sessionToken: 'T', expiration: new Date(Expiration) };
        expect(await credentialsFromEnvironment(env)).toEqual(expected);
        await credentialsFromEnvironment({ ...env, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'given' });
        const file = join(home, 'token');
        await writeFile(file, 'in a file\n');
        await credentialsFromEnvironment({ ...env, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file });
        expect(tokens).toEqual([undefined, 'given', 'in a file']);
      });
    });

    test('which end as long after their answer as its clock says, whatever ours says', async () => {
      vi.useFakeTimers({ now: Date.parse('2030-01-02T13:00:00Z'), toFake: ['Date'] });
      onTestFinished(() => void vi.useRealTimers());
      const given = { AccessKeyId: 'AK', SecretAccessKey: 'SK', Expiration: '2030-01-02T04:00:00Z' };
      const { url } = await startContainer(200, given, 'Wed, 02 Jan 2030 03:00:00 GMT');
      await withFolder(async (home) => {
        const { expiration } = await credentialsFromEnvironment({
          HOME: home,
          AWS_CONTAINER_CREDENTIALS_FULL_URI: url,
        });
        expect(expiration).toEqual(new Date('2030-01-02T14:00:00Z'));
      });
    });

    test('unless the token for it has a line break in it, which is not shown', async () => {
      const { url, tokens } = await startContainer(200, {});
      const env = { AWS_CONTAINER_CREDENTIALS_FULL_URI: url, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'hu\nsh' };
      await withFolder(async (home) => {
        const failure = await credentialsFromEnvironment({ ...env, HOME: home }).catch((error) => error);
        expect(failure.message).toMatch(/^AWS_CONTAINER_AUTHORIZATION_TOKEN has a line break/);
      });
      expect(tokens).toEqual([]);
    });

    test.each([
      [500, {}, "the container's credentials answered 500"],
      [200, { AccessKeyId: 'AK' }, 'have no keys in them'],
    ])('unless it answers %i %j', async (status, body, message) => {
      const { url } = await startContainer(status, body);
      await withFolder(async (home) => {
        const env = { HOME: home, AWS_CONTAINER_CREDENTIALS_FULL_URI: url };
        await expect(credentialsFromEnvironment(env)).rejects.toThrow(message);
      });
    });
  });
});

describe('a source of credentials', () => {
  test('is asked once for all who wait, and again shortly before they end', async () => {
    vi.useFakeTimers({ now: 0, toFake: ['Date', 'performance'] });
    onTestFinished(() => void vi.useRealTimers());
    const source = vi.fn(
      async (): Promise<S3Credentials> => ({ ...KEYS, expiration: new Date(Date.now() + 3600_000) }),
    );
    const credentials = createCredentials(source);
    await Promise.all([credentials(), credentials(), credentials()]);
    vi.advanceTimersByTime(54 * 60_000);
    await credentials();
    expect(source).toHaveBeenCalledTimes(1);
    // However the clock is set meanwhile.
    vi.setSystemTime(0);
    vi.advanceTimersByTime(2 * 60_000);
    await Promise.all([credentials(), credentials()]);
    expect(source).toHaveBeenCalledTimes(2);
    vi.setSystemTime(7 * 24 * 3600_000);
    await credentials();
    expect(source).toHaveBeenCalledTimes(2);
  });

  test('is asked again after it has failed', async () => {
    const source = vi.fn<() => Promise<S3Credentials>>();
    source.mockRejectedValueOnce(new Error('away')).mockResolvedValue(KEYS);
    const credentials = createCredentials(source);
    await expect(credentials()).rejects.toThrow('away');
    expect(await credentials()).toEqual(KEYS);
  });

  test('is not used where it gives a key with a line break in it', async () => {
    const credentials = createCredentials(async () => ({ ...KEYS, sessionToken: 'hu\nsh' }));
    await expect(credentials()).rejects.toThrow(/^sessionToken has a line break/);
  });

  test('may be the credentials themselves', async () => {
    expect(await createCredentials(KEYS)()).toBe(KEYS);
  });
});
