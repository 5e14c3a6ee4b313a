import { randomBytes } from 'node:crypto';
import type { WireRequest } from '@cos-slice/core';

/** Large enough to cost nothing, small enough that progress is told within a slice. */
const STEP_BYTES = 256 * 1024;

export interface MultipartBody {
  readonly contentType: string;
  readonly contentLength: number;
  /**
   * The body in pieces; the content's are views, never copies.
   *
   * @param onTaken called with the content bytes taken so far, when the next piece is asked for
   */
  pieces(onTaken: (contentBytes: number) => void): Iterable<Uint8Array>;
}

/** Frames fields and content as `multipart/form-data`. */
export function encodeMultipart(request: WireRequest<Uint8Array>): MultipartBody {
  const boundary = `cos-slice-${randomBytes(18).toString('base64url')}`;
  const { fields, content } = request;
  let head = '';
  for (const [name, value] of fields) head += `${partHeader(boundary, name)}${value}\r\n`;
  if (content !== undefined) head += partHeader(boundary, content.name);
  const headBytes = Buffer.from(head);
  const tailBytes = Buffer.from(`${content === undefined ? '' : '\r\n'}--${boundary}--\r\n`);
  const bytes = content?.body;
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    contentLength: headBytes.length + (bytes?.length ?? 0) + tailBytes.length,
    *pieces(onTaken) {
      yield headBytes;
      if (bytes !== undefined) {
        for (let start = 0; start < bytes.length; start += STEP_BYTES) {
          const end = Math.min(start + STEP_BYTES, bytes.length);
          yield bytes.subarray(start, end);
          onTaken(end);
        }
      }
      yield tailBytes;
    },
  };
}

function partHeader(boundary: string, name: string): string {
  const escaped = name.replace(/["\r\n]/g, encodeURIComponent);
  return `--${boundary}\r\nContent-Disposition: form-data; name="${escaped}"\r\n\r\n`;
}
