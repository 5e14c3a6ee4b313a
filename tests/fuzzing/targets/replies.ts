import { isCosSliceError, type Operation, type WireResponse } from '@cos-slice/core';
import type { Entry } from '../../../packages/core/src/protocol/entry.ts';
import { readMessage } from '../engine/message.ts';
import { expect } from '../engine/target.ts';

// What the client's readers of replies have in common: which operations are asked, and what an answer may be.

const CREATING = { overwrite: false, attributes: 'a', mark: 'm1' } as const;
const SLICE = { index: 1, range: { offset: 65536, length: 34464 }, content: 'c', md5: 'ab'.repeat(16) } as const;

export const UPLOAD_OPERATIONS: readonly Operation<string>[] = [
  { op: 'init', sizeBytes: 100_000, sliceSizeBytes: 65536, ...CREATING },
  { op: 'init', sizeBytes: 100_000, sliceSizeBytes: 65536, ...CREATING, more: 'create' },
  { op: 'list' },
  { op: 'list', session: 's1 m1', sliceSizeBytes: 65536 },
  { op: 'list', session: 's1 m1' },
  { op: 'list', session: 's1 m1', more: 'look' },
  { op: 'slice', session: 's1', ...SLICE },
  { op: 'finish', session: 's1', sizeBytes: 100_000, overwrite: false },
  { op: 'finish', session: 's1', sizeBytes: 100_000, tags: ['"a"', '"b"'], overwrite: false },
  { op: 'single', sizeBytes: 100_000, content: 'c', ...CREATING },
  { op: 'single', sizeBytes: 100_000, content: 'c', md5: SLICE.md5, ...CREATING, more: 'put' },
  { op: 'single', sizeBytes: 100_000, content: 'c', ...CREATING, more: 'look' },
  { op: 'discard', session: 's1' },
];

const TO = { to: { appId: '10055004', bucket: 'demobucket', path: 'b' }, overwrite: false } as const;
const PART = { sizeBytes: 6 * 1024 ** 3, session: 's1', tags: ['"a"'] } as const;

export const OBJECT_OPERATIONS: readonly (Operation<
  string,
  'stat' | 'entries' | 'remove' | 'create-directory' | 'copy' | 'move' | 'update'
> & {
  readonly at: string;
})[] = [
  { op: 'stat', path: 'dir/a', at: 'dir/a' },
  { op: 'stat', path: 'dir/', at: 'dir/' },
  { op: 'entries', path: 'dir/', pattern: 'both', order: 'ascending', pageSize: 199, at: 'dir/' },
  { op: 'entries', path: '', pattern: 'files', order: 'ascending', pageSize: 9, context: 'before', at: '' },
  { op: 'remove', at: 'dir/a' },
  { op: 'remove', at: 'dir/' },
  { op: 'create-directory', at: 'new/' },
  { op: 'create-directory', at: 'new/', more: 'look' },
  { op: 'copy', ...TO, at: 'dir/a' },
  ...(['look', 'copy', 'init', 'part', 'finish'] as const).map((to) => ({
    op: 'copy' as const,
    ...TO,
    at: 'dir/a',
    more: { to, ...PART },
  })),
  { op: 'move', ...TO, at: 'dir/a', more: 'delete' },
  { op: 'update', attributes: 'x', at: 'dir/a' },
]; // prettier-ignore

/** An input as a response. Headers are bytes, as Node.js shows them, and bodies are text. */
export function responseOf(input: Buffer): WireResponse {
  const { start, headers, body } = readMessage(input);
  const [, status] = /(\d{3})/.exec(start) ?? [];
  const byName = new Map(headers.map(([name, value]) => [name.toLowerCase(), value]));
  return {
    status: Number(status ?? 200),
    header: (name) => byName.get(name.toLowerCase()),
    body: body.toString('utf8'),
  };
}

const KINDS: ReadonlySet<string> = new Set([
  ...['opened', 'present', 'unfinished', 'listed', 'absent', 'stored', 'session-gone', 'incomplete', 'discarded'],
  ...['conflict', 'failed', 'more', 'described', 'page', 'done', 'sessions'],
]);

/** @throws Defect when this is no answer that a client can go by */
export function checkReply(reply: object): void {
  const { kind, error, session, sliceSizeBytes, stored, sizeBytes, entry, entries, context, sessions } =
    reply as Record<string, unknown>;
  expect(typeof kind === 'string' && KINDS.has(kind), `an answer of the kind ${kind}`);
  if (error !== undefined || kind === 'failed') checkError(error);
  if (kind === 'opened' || kind === 'listed') {
    expect(typeof session === 'string' && session !== '', 'a session without a name');
    expect(isSize(sliceSizeBytes), `slices of ${sliceSizeBytes} bytes`);
  }
  expect(sizeBytes === undefined || Number.isSafeInteger(sizeBytes), `a size of ${sizeBytes}`);
  for (const { offset, length } of (stored ?? []) as { offset: unknown; length: unknown }[]) {
    expect(isSize(offset) && isSize(length), `${length} bytes are stored at ${offset}`);
  }
  for (const one of [...((entries ?? []) as Entry[]), ...(entry ? [entry as Entry] : [])]) checkEntry(one);
  expect(context === undefined || context !== '', 'a page that leads to one without a name');
  for (const { startedAt } of (sessions ?? []) as { startedAt?: Date }[]) checkDate(startedAt);
}

function checkEntry(entry: Entry): void {
  expect(typeof entry.path === 'string' && typeof entry.attributes === 'string', 'an entry without a path');
  expect(!entry.name.includes('/'), `an entry called ${JSON.stringify(entry.name)}`);
  checkDate(entry.createdAt);
  checkDate(entry.modifiedAt);
  if (entry.kind !== 'file') return;
  expect(isSize(entry.sizeBytes), `a file of ${entry.sizeBytes} bytes`);
  for (const value of Object.values(entry.customHeaders)) {
    expect(typeof value === 'string', `a header of the type ${typeof value}`);
  }
}

function checkDate(date: Date | undefined): void {
  expect(date === undefined || !Number.isNaN(date.getTime()), 'a date that is none');
}

function isSize(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** @throws Defect when this is no error that a client can show, and go by */
export function checkError(error: unknown): void {
  if (!isCosSliceError(error)) throw error;
  const { message, code, remedy, retryAfterMs = 0, serverDateMs = 0, wireCode } = error;
  expect(typeof code === 'string' && ['backoff', 'resign', 'none'].includes(remedy), `an error that is a ${code}`);
  expect(!/[\r\n]/.test(message), `a message of several lines: ${JSON.stringify(message)}`);
  expect(message.length < 1000, `a message of ${message.length} characters`);
  expect(!/undefined|\[object|function |NaN/.test(message), `a message for nobody: ${JSON.stringify(message)}`);
  expect(retryAfterMs >= 0 && !Number.isNaN(retryAfterMs), `a wait of ${retryAfterMs} ms`);
  expect(Number.isFinite(serverDateMs), `a clock that says ${serverDateMs}`);
  expect(['string', 'number', 'undefined'].includes(typeof wireCode), `a code of the type ${typeof wireCode}`);
}
