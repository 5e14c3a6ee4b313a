import { randomUUID } from 'node:crypto';
import type { WireRequest } from '@cos-slice/core';
import type { Content } from './content.ts';

/** A request's body in the pieces it is sent in; the content is a view, or where it is read from, never a copy. */
export interface Body {
  /** Undefined where the request's own headers say it. */
  readonly contentType: string | undefined;
  readonly contentLength: number;
  /** What comes before the content: of a form, the fields and the content's part up to its bytes. */
  readonly head: Uint8Array;
  readonly content: Content | undefined;
  readonly tail: Uint8Array;
}

const EMPTY = new Uint8Array();

/** Frames a form as `multipart/form-data`; raw content and text go as they are. Undefined: no body. */
export function encodeBody(request: WireRequest<Content>): Body | undefined {
  const { fields, content, text } = request;
  if (fields) return encodeMultipart(fields, content);
  if (content) return { ...RAW, contentLength: content.body.length, content: content.body };
  if (text === undefined) return undefined;
  const head = Buffer.from(text);
  return { ...RAW, contentLength: head.length, head };
}

const RAW = { contentType: undefined, head: EMPTY, content: undefined, tail: EMPTY };

function encodeMultipart(
  fields: NonNullable<WireRequest<Content>['fields']>,
  content: WireRequest<Content>['content'],
): Body {
  const boundary = `cos-slice-${randomUUID()}`;
  let head = '';
  for (const [name, value] of fields) head += `${partHeader(boundary, name)}${value}\r\n`;
  if (content !== undefined) head += partHeader(boundary, content.name);
  const headBytes = Buffer.from(head);
  const tail = Buffer.from(`${content === undefined ? '' : '\r\n'}--${boundary}--\r\n`);
  return {
    contentType: `multipart/form-data; boundary=${boundary}`,
    contentLength: headBytes.length + (content?.body.length ?? 0) + tail.length,
    head: headBytes,
    content: content?.body,
    tail,
  };
}

function partHeader(boundary: string, name: string): string {
  const escaped = name.replace(/["\r\n]/g, encodeURIComponent);
  return `--${boundary}\r\nContent-Disposition: form-data; name="${escaped}"\r\n\r\n`;
}
