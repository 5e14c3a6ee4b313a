import type { WireRequest } from '@cos-slice/core';

const BOUNDARY = '----simulated-boundary-5f1c';

/** A request's body as it goes over the wire. */
export interface Body {
  readonly contentType: string;
  readonly bytes: Buffer;
  /** Where the content is in it. */
  readonly contentAt: number;
}

export function encodeBody({ fields, content, text = '' }: WireRequest<Uint8Array>): Body {
  if (!fields) {
    const bytes = Buffer.from(content?.body ?? text);
    return { contentType: 'application/octet-stream', bytes, contentAt: 0 };
  }
  let head = '';
  for (const [name, value] of fields) {
    head += `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  }
  if (content) {
    const disposition = `form-data; name="${content.name}"; filename="blob"`;
    head += `--${BOUNDARY}\r\nContent-Disposition: ${disposition}\r\nContent-Type: application/octet-stream\r\n\r\n`;
  }
  const before = Buffer.from(head);
  const tail = Buffer.from(`${content ? '\r\n' : ''}--${BOUNDARY}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${BOUNDARY}`,
    bytes: Buffer.concat(content ? [before, content.body, tail] : [before, tail]),
    contentAt: before.length,
  };
}
