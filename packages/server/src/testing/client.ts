import { request } from 'node:http';
import { sign } from './sign.ts';

/** A reply's JSON. What an operation does not send is undefined, whatever the type says: tests look. */
export interface ReplyJson {
  code: number;
  message: string;
  request_id: string;
  data: {
    session: string;
    slice_size: number;
    serial_upload: number;
    offset: number;
    datalen: number;
    datamd5: string;
    filesize: number;
    sha: string;
    listparts: { offset: number; datalen: number }[];
    access_url: string;
    source_url: string;
    url: string;
    resource_path: string;
  };
}

/** A reply as it came over the wire. */
export interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  json(): ReplyJson;
}

export interface SendOptions {
  method?: string;
  headers?: Record<string, string>;
  body?: Buffer | string;
}

/** Sends one request on a connection of its own. */
export function send(url: string, { method = 'POST', headers = {}, body }: SendOptions = {}): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const { hostname, port, origin } = new URL(url);
    // The path as given: URL would tidy it up.
    const path = url.slice(origin.length);
    const req = request({ hostname, port, method, path, headers, agent: false }, (res) => {
      const chunks: Buffer[] = [];
      res.on('data', (chunk) => chunks.push(chunk));
      res.on('error', reject);
      res.on('end', () => {
        const bytes = Buffer.concat(chunks);
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          body: bytes,
          json: () => JSON.parse(bytes.toString()),
        });
      });
    });
    req.on('error', reject);
    req.end(body);
  });
}

export type FormValue = string | number | Buffer;

export const BOUNDARY = '----------------------------adb78d5a54eb';

/** A form with nothing but names, as in the protocol document's example. */
export function formBody(
  fields: Record<string, FormValue> | [string, FormValue][],
  boundary: string = BOUNDARY,
): Buffer {
  const pieces: (Buffer | string)[] = [];
  for (const [name, value] of Array.isArray(fields) ? fields : Object.entries(fields)) {
    pieces.push(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n`);
    pieces.push(typeof value === 'number' ? String(value) : value, '\r\n');
  }
  pieces.push(`--${boundary}--\r\n`);
  return Buffer.concat(pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)));
}

export function formHeaders(signature: string = sign()): Record<string, string> {
  return { Authorization: signature, 'Content-Type': `multipart/form-data; boundary=${BOUNDARY}` };
}

/** Posts a signed form. */
export function post(
  url: string,
  fields: Record<string, FormValue> | [string, FormValue][],
  signature?: string,
): Promise<Reply> {
  return send(url, { headers: formHeaders(signature), body: formBody(fields) });
}
