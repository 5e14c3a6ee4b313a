import { readFixture } from '@cos-slice/testkit/fixtures';
import { BIG_BYTES, patternBytes, SMALL_BYTES, sha1 } from './content.ts';

interface RecordedPart {
  name: string;
  headers: string[];
  length: number;
  value?: string;
  sha1?: string;
}

export interface RecordedRequest {
  seq: number;
  method: string;
  url: string;
  headers: [string, string][];
  body_length: number;
  body_kind: 'multipart' | 'json' | 'empty';
  body_raw?: string;
  epilogue?: string;
  parts?: RecordedPart[];
  auth_decoded: { plaintext: string; hmac_ok: boolean };
  op: string | null;
}

export const CAPTURES = [
  'browser-cos-js-sdk-v4',
  'browser-instant',
  'browser-resume',
  'java-init-4019',
  'java-sdk-v4',
  'java-slice2m',
  'node-qcloud_cos_v4',
  'node4-insertonly',
  'py3-con4',
  'python3-sdk-v4',
] as const;

export async function readCapture(name: string): Promise<RecordedRequest[]> {
  return (await readFixture(`captures/${name}.json`)) as RecordedRequest[];
}

export interface Sha1Vector {
  size: number;
  slice_size: number;
  sha1: string;
  parts: { offset: number; datalen: number; datasha: string; kind: 'state' | 'digest' }[];
}

export async function readVectors(): Promise<Sha1Vector[]> {
  return ((await readFixture('vectors/sha1-slices.json')) as { vectors: Sha1Vector[] }).vectors;
}

export function signatureOf(request: RecordedRequest): string {
  const header = request.headers.find(([name]) => name.toLowerCase() === 'authorization')?.[1];
  return header ?? decodeURIComponent(/[?&]sign=([^&]*)/.exec(request.url)?.[1] ?? '');
}

/** When the recorded request was signed. */
export function signedAtMs(request: RecordedRequest): number {
  return Number(/(?:^|&)t=(\d+)/.exec(request.auth_decoded.plaintext)?.[1]) * 1000;
}

/** The body as the client sent it, byte for byte, but with another session. */
export function rebuildBody(request: RecordedRequest, session?: string): Buffer {
  if (request.body_kind === 'empty') return Buffer.alloc(0);
  if (request.body_kind === 'json') return Buffer.from(request.body_raw ?? '');
  const boundary = /boundary=([^;]+)/.exec(headerOf(request, 'content-type'))?.[1];
  const parts = request.parts ?? [];
  const offset = Number(parts.find((part) => part.name === 'offset')?.value ?? 0);
  const pieces: Buffer[] = [];
  for (const part of parts) {
    pieces.push(Buffer.from(`--${boundary}\r\n${part.headers.join('\r\n')}\r\n\r\n`));
    const recorded = part.value === undefined ? contentOf(part, offset) : Buffer.from(part.value);
    if (recorded.length !== part.length) throw new Error(`${part.name}: recorded length differs`);
    pieces.push(part.name === 'session' && session !== undefined ? Buffer.from(session) : recorded);
    pieces.push(Buffer.from('\r\n'));
  }
  pieces.push(Buffer.from(`--${boundary}--${request.epilogue ?? ''}`));
  return Buffer.concat(pieces);
}

export function headerOf(request: RecordedRequest, name: string): string {
  return request.headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? '';
}

function contentOf(part: RecordedPart, offset: number): Buffer {
  const bytes = patternBytes(offset, offset + part.length);
  if (sha1(bytes) !== part.sha1) throw new Error(`${part.name}: the recorded content is other than thought`);
  return bytes;
}

export const FILES: Record<string, Buffer> = {
  small: patternBytes(0, SMALL_BYTES),
  big: patternBytes(0, BIG_BYTES),
};
