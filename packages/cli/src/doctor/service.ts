import { randomBytes } from 'node:crypto';
import { Writable } from 'node:stream';
import { type Client, isCosSliceError, reach } from '@cos-slice/node';
import type { Reach } from '../connection.ts';
import { tellFailure } from '../failure.ts';
import { showPlace, type WireName } from '../place.ts';
import { type Check, type Finding, fail, ok, skip, warn } from './finding.ts';
import { timed } from './network.ts';

const CONNECT_MS = 10_000;
/** More than that is more than a slow line. */
const SKEW_MS = 60_000;
/** Whose page it is does not matter to most rules. */
const ANY_ORIGIN = 'https://cos-slice.example';

export interface Service {
  readonly reach: Reach;
  /** As it is typed. */
  readonly bucket: string;
  /** Where the probe object goes: empty, or with a slash at its end. */
  readonly directory: string;
  readonly proxy: string | undefined;
  /** Of the page that is to upload. */
  readonly origin: string | undefined;
  readonly client: Client;
}

/** What a server says when it is spoken to. */
export function serviceChecks(service: Service): readonly Check[] {
  const { bucket, directory, proxy, client } = service;
  const { wire, address } = service.reach;
  const spoken = SPOKEN[wire];
  const { transport } = reach({ endpoint: address, ...(proxy !== undefined && { proxy }) });
  const path = `${directory}cos-slice-doctor-${randomBytes(6).toString('hex')}.txt`;
  const content = Buffer.from('cos-slice doctor: this may be deleted\n');
  let skewMs: number | undefined;
  let isWritten = false;

  const send = (method: string, url: string, headers: Record<string, string>, signal: AbortSignal) =>
    transport.send(
      { method, url, headers },
      {
        signal: AbortSignal.any([signal, AbortSignal.timeout(3 * CONNECT_MS)]),
        connectMs: CONNECT_MS,
        onConnected() {},
        onSent() {},
      },
    );

  const checkServer = async (signal: AbortSignal): Promise<Finding> => {
    const askedAtMs = Date.now();
    const beganAtMs = performance.now();
    const { status, body, header } = await send('GET', `${address}/${spoken.question}`, {}, signal);
    const ms = Math.round(performance.now() - beganAtMs);
    const date = Date.parse(header('date') ?? '');
    // The date has whole seconds, and is from some moment in between.
    if (!Number.isNaN(date)) skewMs = date + 500 - (askedAtMs + ms / 2);
    const code = spoken.codeOf(body);
    if (code === undefined) return fail(`HTTP ${status}, and no reply of ${spoken.name}: check ${spoken.advice}`);
    const said = `unsigned, it says HTTP ${status}, code ${code}; ${ms} ms`;
    if (status !== 401 && status !== 403) {
      return warn(`does not ask for a signature (${said}): check ${spoken.advice}`);
    }
    return ok(`speaks ${spoken.name} (${said})`);
  };

  const checkClock = async (): Promise<Finding> => {
    if (skewMs === undefined) return skip('the server tells no date');
    const seconds = Math.round(Math.abs(skewMs) / 1000);
    if (Math.abs(skewMs) <= SKEW_MS) return ok(`as the server's (${seconds} s apart)`);
    const how = skewMs > 0 ? 'behind' : 'ahead of';
    return warn(
      `${seconds} s ${how} the server's: signatures made here are corrected by it, those of others are not; set the clock (NTP)`,
    );
  };

  const checkCors = async (signal: AbortSignal): Promise<Finding> => {
    const origin = service.origin ?? ANY_ORIGIN;
    const asked = {
      Origin: origin,
      'Access-Control-Request-Method': spoken.method,
      'Access-Control-Request-Headers': 'authorization',
    };
    const { status, header } = await send('OPTIONS', `${address}/${path}`, asked, signal);
    const names = (name: string, of = header): string[] =>
      (of(name) ?? '')
        .toLowerCase()
        .split(',')
        .map((one) => one.trim());
    const missing = [
      ['*', origin.toLowerCase()].some((one) => names('access-control-allow-origin').includes(one))
        ? ''
        : `the origin ${origin}`,
      ['*', spoken.method.toLowerCase()].some((one) => names('access-control-allow-methods').includes(one))
        ? ''
        : `the method ${spoken.method}`,
      ['*', 'authorization'].some((one) => names('access-control-allow-headers').includes(one))
        ? ''
        : 'the header Authorization',
    ].filter((one) => one !== '');
    if (status < 300 && missing.length === 0) {
      const pages = `pages of ${service.origin ?? 'any origin'}`;
      if (wire === 'json') return ok(`${pages} may upload`);
      const answer = await send('GET', `${address}/${path}`, { Origin: origin }, signal);
      const exposed = names('access-control-expose-headers', answer.header);
      if (exposed.includes('*') || exposed.includes('etag')) return ok(`${pages} may upload`);
      return warn(`${pages} may upload, and do not see ETags, so parts are listed once more: expose ETag in the rule`);
    }
    const what =
      status >= 300
        ? `a preflight is answered with HTTP ${status}`
        : `a preflight does not allow ${missing.join(' and ')}`;
    const advice = `${what}: add a CORS rule to the bucket that does`;
    // Whoever asks for no page may have none.
    return service.origin === undefined ? warn(`${advice}, if pages are to upload (--origin tries one)`) : fail(advice);
  };

  const checkSignature = async (signal: AbortSignal): Promise<Finding> => {
    try {
      await client.stat('', { signal });
    } catch (error) {
      if (isCosSliceError(error, 'bucket-not-found') || isCosSliceError(error, 'not-found')) return ok('taken');
      throw error;
    }
    return ok('taken');
  };

  const checkBucket = async (signal: AbortSignal): Promise<Finding> => {
    await client.listPage(directory, { signal, pageSize: 1 }).catch((error) => {
      // It comes into being with the first object.
      if (!isCosSliceError(error, 'not-found')) throw error;
    });
    return ok(`${bucket} is there and can be listed`);
  };

  const checkWrite = async (signal: AbortSignal): Promise<Finding> => {
    const ms = await timed(() => client.upload(content, path, { signal, resume: false }).done);
    isWritten = true;
    return ok(`${showPlace({ bucket, path })} uploaded (${ms} ms)`);
  };

  const checkRead = async (signal: AbortSignal): Promise<Finding> => {
    const chunks: Buffer[] = [];
    const into = new Writable({
      write(chunk, _encoding, done) {
        chunks.push(chunk);
        done();
      },
    });
    await client.download(path, into, { signal }).done;
    return Buffer.concat(chunks).equals(content)
      ? ok('what is downloaded is what was uploaded')
      : fail('what is downloaded is not what was uploaded: something on the way changes it, a proxy or a cache');
  };

  const checkDelete = async (signal: AbortSignal): Promise<Finding> => {
    if (!isWritten) return skip('nothing was written');
    try {
      await client.remove(path, { signal });
      return ok('and it is gone again');
    } catch (error) {
      return fail(`${showPlace({ bucket, path })} could not be removed: ${tellFailure(error)}`);
    }
  };

  return [
    { name: 'server', run: checkServer },
    { name: 'clock', run: checkClock },
    { name: 'cors', run: checkCors, isAside: true },
    { name: 'signature', run: checkSignature },
    { name: 'bucket', run: checkBucket },
    { name: 'write', run: checkWrite },
    { name: 'read', run: checkRead, isAside: true },
    { name: 'delete', run: checkDelete },
  ];
}

interface Spoken {
  readonly name: string;
  /** What an unsigned request asks for. */
  readonly question: string;
  /** Of requests with content. */
  readonly method: 'POST' | 'PUT';
  /** What to look at where it is not spoken. */
  readonly advice: string;
  /** What a refusal says; undefined: it is none of this protocol. */
  codeOf(body: string): number | string | undefined;
}

const xml = (name: string, advice: string): Spoken => ({
  name,
  question: '',
  method: 'PUT',
  advice,
  codeOf: (body) => /<Code>(\w+)<\/Code>/.exec(body)?.[1] ?? (body.includes('<ListBucketResult') ? 'none' : undefined),
});

const SPOKEN: Readonly<Record<WireName, Spoken>> = {
  json: {
    name: 'the JSON API',
    question: '?op=stat',
    method: 'POST',
    advice: '--endpoint, which most often ends in /files/v2',
    codeOf: jsonCodeOf,
  },
  cos: xml('the XML API of COS', '--endpoint and --region'),
  s3: xml('S3', '--endpoint'),
};

function jsonCodeOf(body: string): number | undefined {
  try {
    const { code } = JSON.parse(body);
    return typeof code === 'number' ? code : undefined;
  } catch {
    return undefined;
  }
}
