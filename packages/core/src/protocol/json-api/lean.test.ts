import { expect, test } from 'vitest';
import { CosSliceError } from '../../errors.ts';
import type { WireResponse } from '../../ports.ts';
import type { Operation } from '../operations.ts';
import { decode } from './decode.ts';
import { leanJsonApi } from './lean.ts';

const INIT: Operation<null> = { op: 'init', sizeBytes: 10, sliceSizeBytes: 10, overwrite: false };
const SLICE: Operation<null> = {
  op: 'slice',
  session: 's',
  index: 0,
  range: { offset: 0, length: 10 },
  content: null,
  md5: 'ab',
};

const answer = (json: object, status = 200): WireResponse => ({
  status,
  header: () => undefined,
  body: JSON.stringify(json),
});
const success = (data: object): WireResponse => answer({ code: 0, message: 'SUCCESS', data });

/** @returns the wire, and how often it asked for the code */
function lean(failure?: CosSliceError) {
  const asked = { times: 0 };
  const wire = leanJsonApi(async () => {
    asked.times += 1;
    if (failure) throw failure;
    return { decode };
  });
  return { wire, asked };
}

test('loads nothing as long as the answers lead straight on', async () => {
  const { wire, asked } = lean();
  const place = { access_url: 'a', source_url: 'b', url: 'c', resource_path: 'd' };
  const straight: readonly (readonly [Operation<null>, object])[] = [
    [INIT, { session: 's', slice_size: 10 }],
    [SLICE, { offset: 0, datalen: 10, datamd5: 'AB' }],
    [{ op: 'finish', session: 's', sizeBytes: 10, overwrite: false }, place],
    [{ op: 'single', sizeBytes: 10, content: null, overwrite: false }, place],
  ];
  for (const [operation, data] of straight) {
    expect(await wire.decode(operation, success(data), '')).toEqual(decode(operation, success(data)));
  }
  expect(asked.times).toBe(0);
});

test.each<readonly [string, Operation<null>, WireResponse]>([
  ['an object that makes a session unnecessary', INIT, success({ access_url: 'a' })],
  ['a session that cannot be worked with', INIT, success({ session: 's', slice_size: -1 })],
  ['a slice that arrived damaged', SLICE, success({ datamd5: 'cd' })],
  ['a slice that was stored elsewhere', SLICE, success({ offset: 20 })],
  ['a list', { op: 'list' }, success({ session: 's', slice_size: 10, listparts: [] })],
  ['a refusal', INIT, answer({ code: -177, message: 'no' }, 409)],
  ['a page of a proxy', INIT, { ...answer({}), body: '<html>' }],
])('loads what makes sense of %s', async (_what, operation, response) => {
  const { wire, asked } = lean();
  expect(await wire.decode(operation, response, '')).toEqual(decode(operation, response));
  expect(asked.times).toBe(1);
});

test.each([
  ['what will not change', 409, -177, 'bad-request', 'none'],
  ['what time may mend', 503, -196, 'unavailable', 'backoff'],
  ['what asks for fewer requests', 429, undefined, 'unavailable', 'backoff'],
  ['an expired signature', 403, -96, 'bad-request', 'resign'],
])('without that code, %s is told in the words of the server', async (_what, status, code, name, remedy) => {
  const { wire } = lean(new CosSliceError('network', 'gone'));
  const reply = await wire.decode(INIT, answer({ code, message: 'SO IT\nIS' }, status), '');
  expect(reply).toMatchObject({
    kind: 'failed',
    error: { code: name, remedy, httpStatus: status, message: expect.stringContaining('SO IT IS') },
  });
});

test('code that may come yet is waited for: what is refused is tried again', async () => {
  const { wire } = lean(new CosSliceError('network', 'gone', { remedy: 'backoff' }));
  const reply = await wire.decode(INIT, answer({ code: -177, message: 'no' }, 409), '');
  expect(reply).toMatchObject({ kind: 'failed', error: { remedy: 'backoff', wireCode: -177 } });
});
