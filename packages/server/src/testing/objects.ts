import { expect } from 'vitest';
import { type FormValue, post, type Reply, send } from './client.ts';
import type { TestServer } from './server.ts';
import { sign, signOnce } from './sign.ts';

export type Fields = Record<string, FormValue>;
export type Data = Record<string, unknown> & { infos: (Record<string, unknown> & { name: string })[]; context: string };

const ONCE: ReadonlySet<string> = new Set(['update', 'move', 'delete']);

/** Paths of directories end in a slash, as in addresses. */
export async function ask(
  server: TestServer,
  path: string,
  op: string,
  fields: Fields = {},
  signature?: string,
): Promise<Reply> {
  return post(server.urlOf(path), { op, ...fields }, signature ?? (ONCE.has(op) ? signOnce(path) : sign()));
}

export async function codeOf(reply: Promise<Reply>): Promise<number> {
  return (await reply).json().code;
}

export async function dataOf(reply: Promise<Reply>): Promise<Data> {
  const { status, json } = await reply;
  expect([status, json().code, json().message]).toEqual([200, 0, 'SUCCESS']);
  return json().data as unknown as Data;
}

export const put = (server: TestServer, path: string, text: string = path): Promise<number> =>
  codeOf(ask(server, path, 'upload', { filecontent: text, insertOnly: 0 }));
export const read = async (server: TestServer, path: string): Promise<string | undefined> =>
  server.stored(path).then(String, () => undefined);
export const get = (
  server: TestServer,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<Reply> => send(server.urlOf(path), { method, headers });
