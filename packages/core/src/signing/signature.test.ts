import { createHmac } from 'node:crypto';
import { listFixtures, readFixture } from '@cos-slice/testkit/fixtures';
import { describe, expect, test } from 'vitest';
import { createSigner, type SignerOptions } from './create-signer.ts';
import { type SignatureKey, signatureExpirySec, signatureLifeMs, signatureText, signText } from './signature.ts';

interface Recorded {
  readonly url: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly auth_where: 'header' | 'query';
  readonly auth_decoded: { readonly plaintext: string; readonly hmac_ok: boolean } | null;
}

const SECRET_KEY = `SECRETKEY${'x'.repeat(24)}`;
const SECRET_ID = `AKID${'x'.repeat(28)}`;

const recorded = (
  await Promise.all(
    (
      await listFixtures('captures')
    ).map(async (name) => {
      const requests = (await readFixture(`captures/${name}`)) as Recorded[];
      return requests.flatMap((request) =>
        request.auth_decoded ? [{ name, ...request, decoded: request.auth_decoded }] : [],
      );
    }),
  )
).flat();

function signatureOf(request: Recorded): string {
  if (request.auth_where === 'query') return new URL(request.url, 'http://h').searchParams.get('sign') ?? '';
  return request.headers.find(([name]) => name.toLowerCase() === 'authorization')?.[1] ?? '';
}

describe('the signatures of recorded clients', () => {
  test('there are many, in more than one order', () => {
    const orders = new Set(recorded.map(({ decoded }) => decoded.plaintext.replace(/=[^&]*/g, '')));
    expect(recorded.length).toBeGreaterThan(100);
    expect(orders.size).toBeGreaterThan(1);
  });

  test.each(recorded.map((request) => [request.name, request.decoded.plaintext, request] as const))(
    '%s: %s',
    async (_name, plaintext, request) => {
      const pairs = plaintext.split('&').map((pair) => pair.split('=', 2) as [SignatureKey, string]);
      const value = Object.fromEntries(pairs) as Record<SignatureKey, string>;
      const text = signatureText(
        {
          appId: value.a,
          bucket: value.b,
          secretId: value.k,
          expiresAtSec: Number(value.e),
          nowSec: Number(value.t),
          random: Number(value.r),
          fileId: value.f,
        },
        pairs.map(([key]) => key),
      );
      expect(text).toBe(plaintext);
      if (value.k !== SECRET_ID) return;
      expect(await signText(SECRET_KEY, text)).toBe(signatureOf(request));
      expect(signatureExpirySec(signatureOf(request))).toBe(value.e === '0' ? undefined : Number(value.e));
    },
  );

  test("the document's sample is read", () => {
    const sample =
      'uusZlBVdpHf800YuKImvK5zvw75hPTEwMDU1MDA0Jms9QUtJRHpuOHd3S3VYanhpeFFBa1JCQzJEUlhCdFBkN0NybEpRJmU9MTQ3MjY0Nzc4MCZ0PTE0NzI2NDc2MDAmcj0xMDYwMzQ1OTM4JmY9JmI9YWNjZXNzbG9n';
    expect(signatureExpirySec(sample)).toBe(1472647780);
  });
});

describe('what a signature says of its times', () => {
  const signature = (text: string, mac = ' '.repeat(20)): string => btoa(mac + text);

  test('is how long it lives, from when it was made', () => {
    expect(signatureLifeMs(signature('a=1&e=1060&t=1000&f='), 1030)).toBe(60_000);
    expect(signatureLifeMs(signature('a=1&e=1060&f='), 1030)).toBe(30_000);
    expect(signatureLifeMs(signature('a=1&e=1060&f='), 2000)).toBe(0);
  });

  test('is not what its HMAC happens to look like', () => {
    expect(signatureExpirySec(signature('a=1&e=1060&t=1000', '&e=1&'.padEnd(20)))).toBe(1060);
  });

  test.each(['not base64', btoa('short'), signature('a=1'), signature('e=0&t=1')])('is not in %j', (text) => {
    expect(signatureExpirySec(text)).toBeUndefined();
    expect(signatureLifeMs(text, 1000)).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('createSigner', () => {
  const keys = { appId: '10055004', bucket: 'demobucket', secretId: 'id', secretKey: 'key' };
  const claim = { appId: '10055004', bucket: 'demobucket', path: '目录/a b.bin', nowSec: 1_600_000_000 };
  const encoded = '/10055004/demobucket/%E7%9B%AE%E5%BD%95/a%20b.bin';
  const never = new AbortController().signal;
  const open = (signature: string): string => {
    const bytes = Buffer.from(signature, 'base64');
    const text = bytes.subarray(20);
    expect(bytes.subarray(0, 20)).toEqual(createHmac('sha1', 'key').update(text).digest());
    return text.toString();
  };

  test('signs for many uses, bound to the path', async () => {
    const text = open(await createSigner(keys).sign({ ...claim, effect: 'multi' }, never));
    expect(text).toMatch(/^a=10055004&k=id&b=demobucket&e=1600003600&t=1600000000&r=\d+&f=/);
    expect(text.endsWith(`&f=${encoded}`)).toBe(true);
  });

  test('signs for the whole bucket when unbound, and for a chosen time', async () => {
    const text = open(
      await createSigner({ ...keys, bound: false, lifetimeSec: 60 }).sign({ ...claim, effect: 'multi' }, never),
    );
    expect(text).toMatch(/&e=1600000060&.*&f=$/);
  });

  test('signs for one use, always bound', async () => {
    const text = open(await createSigner({ ...keys, bound: false }).sign({ ...claim, effect: 'once' }, never));
    expect(text).toMatch(/&e=0&/);
    expect(text.endsWith(`&f=${encoded}`)).toBe(true);
  });

  test('signs for no other bucket', async () => {
    for (const other of [{ bucket: 'other' }, { appId: '10055005' }]) {
      const asked = { ...claim, ...other };
      await expect(createSigner(keys).sign({ ...asked, effect: 'multi' }, never)).rejects.toMatchObject({
        code: 'signing-failed',
        message: expect.stringContaining(`not for ${asked.appId}/${asked.bucket}`),
      });
    }
  });

  test('makes no two signatures alike', async () => {
    const signer = createSigner(keys);
    const made = await Promise.all(Array.from({ length: 5 }, () => signer.sign({ ...claim, effect: 'multi' }, never)));
    expect(new Set(made).size).toBeGreaterThan(1);
  });

  test.each([60, 90 * 86_400])('gives signatures %d seconds', async (lifetimeSec) => {
    const text = open(await createSigner({ ...keys, lifetimeSec }).sign({ ...claim, effect: 'multi' }, never));
    expect(text).toContain(`&e=${claim.nowSec + lifetimeSec}&`);
  });

  test.each([59, 90 * 86_400 + 1, 60.5, Number.NaN])('gives no signature %d seconds', (lifetimeSec) => {
    expect(captured(() => createSigner({ ...keys, lifetimeSec }))).toMatchObject({
      code: 'invalid-options',
      issues: [{ option: 'lifetimeSec' }],
    });
  });

  test('takes any secret key, and has the credentials for wires that want these', async () => {
    const secretKey = 'a&b c\nd==';
    const signer = createSigner({ ...keys, secretKey });
    expect(await signer.credentials(never)).toEqual({ secretId: 'id', secretKey });
    expect(captured(() => createSigner({ ...keys, secretId: 'a=' }))).toMatchObject({
      issues: [{ option: 'secretId' }],
    });
  });

  test('reports every issue of its options and never the key', () => {
    try {
      createSigner({ appId: '', bucket: 'a b', secretId: '', secretKey: 'key', lifetimeSec: 1 });
      expect.unreachable();
    } catch (error) {
      const { code, issues, message } = error as { code: string; issues: { option: string }[]; message: string };
      expect(code).toBe('invalid-options');
      expect(issues.map((issue) => issue.option)).toEqual(['appId', 'bucket', 'secretId', 'lifetimeSec']);
      expect(message).toMatch(/appId must .*; bucket must .*; secretId must .*; lifetimeSec must .*60 to 7776000/);
      expect(message).not.toContain('key must');
    }
  });

  test.each(['', 'dir/', 'a/../b', './a', 'a//b', '/a', 'a\nb'])(
    'signs nothing for the path %j: it would say more',
    async (path) => {
      for (const effect of ['multi', 'once'] as const) {
        await expect(createSigner(keys).sign({ ...claim, path, effect }, never)).rejects.toMatchObject({
          code: 'signing-failed',
          remedy: 'none',
        });
      }
      // What is for the whole bucket has no path in it.
      expect(await createSigner({ ...keys, bound: false }).sign({ ...claim, path, effect: 'multi' }, never)).toMatch(
        /=*$/,
      );
    },
  );

  test.each([{ folders: true }, { bound: false }])('signs for a folder where that is allowed: %j', async (allowed) => {
    const signer = createSigner({ ...keys, ...allowed });
    for (const path of ['dir/', 'a/b/']) {
      const multi = await signer.sign({ ...claim, path, effect: 'multi' }, never);
      expect(textOf(multi)).toMatch(allowed.folders ? new RegExp(`&f=/.*/${claim.bucket}/${path}$`) : /&f=$/);
      const once = textOf(await signer.sign({ ...claim, path, effect: 'once' }, never));
      expect(once).toMatch(/&e=0&/);
      expect(once).toMatch(new RegExp(`&f=/.*/${claim.bucket}/${path}$`));
      await expect(signer.sign({ ...claim, path, effect: 'download' }, never)).rejects.toThrow(/signs for one object/);
    }
    for (const path of ['', '/', 'a/../', 'a//', '../']) {
      await expect(signer.sign({ ...claim, path, effect: 'once' }, never)).rejects.toThrow(/signs for one object/);
      if (!allowed.folders) continue;
      await expect(signer.sign({ ...claim, path, effect: 'multi' }, never)).rejects.toThrow(/signs for one object/);
    }
  });

  test('signs for downloads of one object, without application and bucket, also where others cover the bucket', async () => {
    for (const bound of [true, false]) {
      const signer = createSigner({ ...keys, bound });
      const text = textOf(await signer.sign({ ...claim, path: 'a b/ü', effect: 'download' }, never));
      expect(text).toMatch(/&f=\/a%20b\/%C3%BC$/);
      expect(text).toContain(`&e=${claim.nowSec + 3600}&`);
    }
  });

  test('signs for no download whose path would be leave to write in the bucket', async () => {
    for (const path of ['10055004', '10055004/demobucket', '10055004/demobucket/a', '10055004/demobucket/a/b']) {
      const signing = createSigner(keys).sign({ ...claim, path, effect: 'download' }, never);
      await expect(signing).rejects.toMatchObject({ code: 'signing-failed', remedy: 'none' });
      expect(textOf(await createSigner(keys).sign({ ...claim, path, effect: 'multi' }, never))).toMatch(
        new RegExp(`&f=/10055004/demobucket/${path}$`),
      );
    }
    for (const path of ['100550040', '10055004/other', '10055004/demobucket2/a', 'a/10055004/demobucket/a']) {
      const text = textOf(await createSigner(keys).sign({ ...claim, path, effect: 'download' }, never));
      expect(text).toMatch(new RegExp(`&f=/${path}$`));
    }
  });

  test.each([
    ['secretKey', 'key\n', 'end in a line break'],
    ['secretKey', 'key\r\n', 'end in a line break'],
    ['secretKey', 'key ', 'end in white space'],
    ['secretKey', 'k\ney ', 'end in white space'],
    ['secretKey', '\tkey', 'begin with white space'],
    ['secretId', 'id\n', 'end in a line break'],
    ['bucket', undefined, 'be a text and not empty'],
    ['appId', Number.NaN, 'be a text and not empty'],
    ['appId', { id: 1 }, 'be a text and not empty'],
  ])('a %s of %j is named', (option, value, wrong) => {
    const make = (): unknown => createSigner({ ...keys, [option]: value } as SignerOptions);
    const error = captured(make);
    expect(error).toMatchObject({
      code: 'invalid-options',
      issues: [{ option, message: expect.stringContaining(wrong) }],
    });
    if (option === 'secretKey') expect(String(error)).not.toContain(String(value).trim());
  });
});

const textOf = (signature: string): string => Buffer.from(signature, 'base64').subarray(20).toString();

function captured(act: () => unknown): unknown {
  try {
    return act();
  } catch (error) {
    return error;
  }
}
