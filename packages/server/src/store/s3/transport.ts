import http, { type ClientRequest, type IncomingMessage } from 'node:http';
import https from 'node:https';
import { AwsV4Signer } from 'aws4fetch';
import { createCredentials, type S3CredentialsSource } from './credentials.ts';

/** Before the other side closes a connection that nobody uses, most of the time. */
const KEEP_ALIVE_MS = 10_000;
const MAX_FREE_SOCKETS = 256;
/** How much may wait in a connection before its writer is held up: with Node's 16 KiB that would be at every piece that comes. */
const MAX_WAITING_BYTES = 128 * 1024;

export interface S3Endpoint {
  /** Such as `https://s3.eu-central-1.amazonaws.com` or `http://127.0.0.1:7480`. */
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: S3CredentialsSource;
  /** Whether the bucket comes first in the path, and not in the host's name. */
  readonly pathStyle: boolean;
}

export interface S3Request {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE';
  readonly bucket: string;
  /** None for what concerns the whole bucket. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

/** Sends signed requests on connections that it keeps. */
export interface Transport {
  /**
   * Begins a request with a body of that many bytes, which the caller writes. Silence of `idleMs`, in both directions, ends it.
   *
   * @returns the request; its events tell the rest
   */
  begin(request: S3Request, bodyBytes: number, idleMs: number): Promise<ClientRequest>;
  close(): void;
}

/** Percent-encodes as S3 wants it signed: all but letters, digits and `-._~/`. */
export function encodeKey(key: string): string {
  return encode(key).replaceAll('%2F', '/');
}

export function createTransport({ endpoint, region, credentials, pathStyle }: S3Endpoint): Transport {
  const base = new URL(endpoint);
  const { request, Agent } = base.protocol === 'https:' ? https : http;
  // An agent hands all its options on to its sockets, though the types do not say so of this one.
  const options = {
    keepAlive: true,
    maxFreeSockets: MAX_FREE_SOCKETS,
    scheduling: 'lifo',
    writableHighWaterMark: MAX_WAITING_BYTES,
  } as const;
  const agent = new Agent(options);
  agent.on('free', (socket) => socket.setTimeout(KEEP_ALIVE_MS));
  const askCredentials = createCredentials(credentials);
  const signingKeys = new Map<string, ArrayBuffer>();

  function urlOf({ bucket, key = '', query = {} }: S3Request): string {
    const host = pathStyle ? base.host : `${bucket}.${base.host}`;
    const path = base.pathname.replace(/\/$/, '') + (pathStyle ? `/${bucket}` : '');
    const pairs = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [`${name}=${encode(String(value))}`],
    );
    const search = pairs.length > 0 ? `?${pairs.join('&')}` : '';
    return `${base.protocol}//${host}${path}/${encodeKey(key)}${search}`;
  }

  return {
    async begin(s3Request, bodyBytes, idleMs) {
      const { accessKeyId, secretAccessKey, sessionToken } = await askCredentials();
      // A key of another day signs nothing any more.
      if (signingKeys.size > 4) signingKeys.clear();
      const given = Object.entries(s3Request.headers ?? {}).filter((entry): entry is [string, string] => !!entry[1]);
      const signed = await new AwsV4Signer({
        method: s3Request.method,
        url: urlOf(s3Request),
        headers: given,
        accessKeyId,
        secretAccessKey,
        ...(sessionToken && { sessionToken }),
        service: 's3',
        region,
        cache: signingKeys,
      }).sign();
      const headers: Record<string, string | number> = Object.fromEntries(signed.headers);
      if (bodyBytes > 0 || s3Request.method === 'PUT' || s3Request.method === 'POST') {
        headers['content-length'] = bodyBytes;
      }
      const outgoing = request(signed.url, { method: s3Request.method, headers, agent, timeout: idleMs });
      outgoing.on('timeout', () => outgoing.destroy(new Error(`the object store was silent for ${idleMs / 1000} s`)));
      return outgoing;
    },
    close: () => agent.destroy(),
  };
}

/** Waits for a reply's headers. Its body has to be read. */
export function replyOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.once('error', reject);
    request.once('close', () => reject(new Error('the connection to the object store broke')));
  });
}

/** Reads a reply's body, which is short. */
export async function readText(reply: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of reply) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (one) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`);
}
