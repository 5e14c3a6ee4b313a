import type { IncomingMessage } from 'node:http';
import { ProtocolError } from '../protocol/codes.ts';

/** A body that a web framework has read before this server saw the request, as bytes or as the fields it made of them. */
export type GivenBody = { readonly bytes: Buffer } | { readonly fields: object };

/** Where frameworks leave what they have read; `file` and `files` are multer's. */
type MaybeRead = IncomingMessage & {
  readonly body?: unknown;
  readonly rawBody?: unknown;
  readonly file?: unknown;
  readonly files?: unknown;
};

/**
 * Undefined when the body is still to be read.
 *
 * @throws ProtocolError -5999 when it has been read and is not to be had any more
 */
export function givenBody(req: MaybeRead): GivenBody | undefined {
  const { body, rawBody, headers } = req;
  if (!req.readableDidRead) return req.readableEnded ? { bytes: Buffer.alloc(0) } : undefined;
  for (const bytes of [rawBody, body]) {
    if (bytes instanceof Uint8Array) return { bytes: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) };
    // Text has lost the bytes that were no UTF-8, such as those of a file in a form.
    if (typeof bytes === 'string' && !isMultipart(headers)) return { bytes: Buffer.from(bytes) };
  }
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
  // Of a form the files are elsewhere, and an empty object is what some parsers leave behind who took nothing.
  const isWhole = isObject && !req.file && !req.files && (Object.keys(body).length > 0 || isJson(headers));
  if (isWhole) return { fields: body };
  throw new ProtocolError(
    'badParameter',
    'the body was read before this server saw the request: put it in front of what parses bodies',
  );
}

function isMultipart(headers: IncomingMessage['headers']): boolean {
  return /^multipart\//i.test(headers['content-type'] ?? '');
}

function isJson(headers: IncomingMessage['headers']): boolean {
  return /\bjson\b/i.test(headers['content-type'] ?? '');
}
