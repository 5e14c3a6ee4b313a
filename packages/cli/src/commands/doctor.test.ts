import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../testing/cli.ts';
import { createWorld, KEY, type World } from '../testing/world.ts';

let world: World;
beforeAll(async () => {
  world = await createWorld();
});
afterAll(() => world.close());
afterEach(() => {
  world.intercept = undefined;
});

interface Told {
  readonly code: number | null;
  readonly ok: boolean;
  /** What was found, by the names of the checks. */
  readonly statuses: Record<string, string>;
  readonly messages: Record<string, string>;
}

async function doctor(args: readonly string[] = ['demo'], env: NodeJS.ProcessEnv = {}): Promise<Told> {
  const { code, stdout, stderr } = await runCli(['doctor', ...args, '--json'], { env: { ...world.env, ...env } });
  expect(stderr).toBe('');
  expect(stdout).not.toContain(KEY);
  const { ok, checks } = JSON.parse(stdout);
  const of = (what: string) => Object.fromEntries(checks.map((one: Record<string, string>) => [one.name, one[what]]));
  return { code, ok, statuses: of('status'), messages: of('message') };
}

const NAMES = 'endpoint proxy dns connect tls server clock cors signature bucket write read delete'.split(' ');
/** All is well up to this one, which is wrong; what comes after it is not tried. */
function wrongAt(name: string, { code, ok, statuses, messages }: Told): void {
  expect({ code, ok }).toEqual({ code: 1, ok: false });
  const at = NAMES.indexOf(name);
  const expected = NAMES.map((one, index) => [
    one,
    index > at ? 'skip' : index === at ? 'fail' : expect.stringMatching(/^(ok|skip|warn)$/),
  ]);
  expect(Object.entries(statuses)).toEqual(expected);
  for (const one of NAMES.slice(at + 1)) expect(messages[one]).toBe(`not tried: ${name} comes first`);
}

describe('doctor', () => {
  test('tries everything, and leaves nothing behind', async () => {
    const told = await doctor(['demo/probes', '--origin', 'https://app.example']);
    expect(told).toMatchObject({ code: 0, ok: true });
    expect(Object.keys(told.statuses)).toEqual(NAMES);
    for (const name of NAMES) expect(told.statuses[name]).toBe(name === 'tls' ? 'skip' : 'ok');
    expect(told.messages.write).toMatch(/^demo\/probes\/cos-slice-doctor-[0-9a-f]{12}\.txt uploaded \(\d+ ms\)$/);
    expect(told.messages.cors).toBe('pages of https://app.example may upload');
    const { stdout } = await runCli(['ls', '-r', '--only', 'files', 'demo'], { env: world.env });
    expect(stdout).toBe('');
  });

  test('says it in a table', async () => {
    const { code, stdout, stderr } = await runCli(['doctor', 'demo'], { env: world.env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.split('\n');
    expect(lines[0]).toBe(`ok    endpoint   ${world.endpoint}`);
    expect(lines.slice(0, NAMES.length).map((line) => line.slice(6).split(' ')[0])).toEqual(NAMES);
    expect(stdout).toMatch(/\n\nAll is well\.\n$/);
    const wrong = await runCli(['doctor', 'nix'], { env: world.env });
    expect(wrong.code).toBe(1);
    expect(wrong.stdout).toMatch(/\nFAIL {2}bucket {5}the bucket does not exist: check its name/);
    expect(wrong.stdout).toMatch(/\n\n1 thing is wrong\.\n$/);
  });

  test('knows a wrong key, a wrong application and a missing bucket', async () => {
    const key = await doctor(['demo'], { COS_SECRET_KEY: 'another' });
    wrongAt('signature', key);
    expect(key.messages.signature).toMatch(
      /^the signature is refused: check application id, bucket, secret id and secret key/,
    );
    const application = await doctor(['demo'], { COS_APP_ID: '1' });
    wrongAt('signature', application);
    const bucket = await doctor(['nothing']);
    wrongAt('bucket', bucket);
  });

  test('knows where nobody is, no host, no TLS and no API', async () => {
    const nobody = await doctor(['demo'], { COS_SLICE_ENDPOINT: 'http://127.0.0.1:9/files/v2' });
    wrongAt('connect', nobody);
    expect(nobody.messages.connect).toMatch(/nobody listens at 127\.0\.0\.1:9 \(ECONNREFUSED\): check the port/);
    wrongAt('dns', await doctor(['demo'], { COS_SLICE_ENDPOINT: 'http://host.invalid/files/v2' }));
    const plain = await doctor(['demo'], { COS_SLICE_ENDPOINT: world.endpoint.replace('http:', 'https:') });
    wrongAt('tls', plain);
    expect(plain.messages.tls).toMatch(/does not speak TLS there .*set --endpoint to http:\/\//);
    world.intercept = (_req, res) => {
      res.writeHead(404).end('<html>nothing here</html>');
      return true;
    };
    const page = await doctor();
    wrongAt('server', page);
    expect(page.messages.server).toMatch(/^HTTP 404, and no reply of the JSON API: check --endpoint/);
  });

  test('knows a proxy that is not there, and NO_PROXY', async () => {
    const proxied = await doctor(['demo'], { HTTP_PROXY: 'http://me:secret@127.0.0.1:9' });
    wrongAt('proxy', proxied);
    expect(proxied.messages.proxy).toMatch(/127\.0\.0\.1:9 does not \(ECONNREFUSED\): check --proxy or HTTPS_PROXY/);
    expect(JSON.stringify(proxied)).not.toContain('secret');
    const near = await doctor(['demo'], { HTTP_PROXY: 'http://127.0.0.1:9', NO_PROXY: 'a.example,127.0.0.1' });
    expect(near).toMatchObject({ code: 0, statuses: { proxy: 'ok' } });
  });

  test('knows a clock that is wrong', async () => {
    world.intercept = (_req, res) => {
      res.setHeader('Date', new Date(Date.now() + 3600_000).toUTCString());
      const { writeHead } = res;
      res.writeHead = ((status: number, headers: Record<string, unknown> = {}) =>
        writeHead.call(res, status, {
          ...headers,
          Date: new Date(Date.now() + 600_000).toUTCString(),
        } as never)) as never;
      return false;
    };
    const { code, statuses, messages } = await doctor();
    expect(statuses.clock).toBe('warn');
    expect(messages.clock).toMatch(/^(599|60\d) s behind the server's: .*set the clock \(NTP\)$/);
    expect(code).toBe(0);
  });

  test('knows rules that keep pages out', async () => {
    world.intercept = (req, res) => {
      if (req.method !== 'OPTIONS') return false;
      res.writeHead(200, {
        'Access-Control-Allow-Origin': 'https://other.example',
        'Access-Control-Allow-Methods': 'GET',
      });
      res.end();
      return true;
    };
    const any = await doctor();
    expect(any).toMatchObject({ code: 0, ok: true, statuses: { cors: 'warn', delete: 'ok' } });
    const { code, statuses, messages } = await doctor(['demo', '--origin', 'https://app.example']);
    expect(code).toBe(1);
    expect(statuses).toMatchObject({ cors: 'fail', signature: 'ok', delete: 'ok' });
    expect(messages.cors).toBe(
      'a preflight does not allow the origin https://app.example and the method POST and the header Authorization: add a CORS rule to the bucket that does',
    );
  });

  test('says where its object is left when it cannot be deleted, and what may not be written', async () => {
    let posts = 0;
    world.intercept = (req, res) => {
      // The first one uploads.
      if (req.method !== 'POST' || posts++ === 0) return false;
      req.resume().on('end', () => res.writeHead(403).end('{"code":-97,"message":"no"}'));
      return true;
    };
    const kept = await doctor();
    expect(kept.code).toBe(1);
    expect(kept.statuses).toMatchObject({ write: 'ok', read: 'ok', delete: 'fail' });
    expect(kept.messages.delete).toMatch(
      /^demo\/cos-slice-doctor-[0-9a-f]{12}\.txt could not be removed: the signature is refused/,
    );
    world.intercept = (req, res) => {
      if (req.method !== 'POST') return false;
      req.resume().on('end', () => res.writeHead(403).end('{"code":-97,"message":"no"}'));
      return true;
    };
    wrongAt('write', await doctor());
  });

  test.each([
    [['demo', '--origin', 'app.example'], /--origin must be an origin such as https:\/\/app\.example/],
    [['demo', '--origin', 'https://app.example/page'], /--origin must be an origin/],
    [[''], /give BUCKET\/PATH/],
  ])('%j is a mistake', async (args, message) => {
    const { code, stderr } = await runCli(['doctor', ...args], { env: world.env });
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
