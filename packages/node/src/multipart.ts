import { randomUUID } from 'node:crypto';
import type { WireRequest } from '@cos-slice/core';

/** A form in the pieces it is sent in; the content is a view, never a copy. */
export interface MultipartBody {
  readonly contentType: string;
  readonly contentLength: number;
  /** The fields, and the content's part up to its bytes. */
  readonly head: Uint8Array;
  readonly content: Uint8Array | undefined;
  readonly tail: Uint8Array;
}

/** Frames fields and content as `multipart/form-data`. */
export function encodeMultipart(request: WireRequest<Uint8Array>): MultipartBody {
  const boundary = `cos-slice-${randomUUID()}`;
  const { fields } = request;
  let head = '';
  for (const [name, value] of fields) head += `${partHeader(boundary, name)}${value}\r\n`;
  if (request.content !== undefined) head += partHeader(boundary, request.content.name);
  const headBytes = Buffer.from(head);
  const tail = Buffer.from(`${request.content === undefined ? '' : '\r\n'}--${boundary}--\r\n`);
  const content = request.content?.body;
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    contentLength: headBytes.length + (content?.length ?? 0) + tail.length,
    head: headBytes,
    content,
    tail,
  };
}

function partHeader(boundary: string, name: string): string {
  const escaped = name.replace(/["\r\n]/g, encodeURIComponent);
  return `--${boundary}\r\nContent-Disposition: form-data; name="${escaped}"\r\n\r\n`;
}
