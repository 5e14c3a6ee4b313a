import { type Authorizer, isCosSliceError, type ResumeRecord, s3 } from '@cos-slice/core';
import type { ScriptedReply } from '../../../packages/core/src/testing/scripted-transport.ts';
import { memoryStore, record, setUp, switchedNetwork } from '../../../packages/core/src/testing/setting.ts';
import { splitAt } from '../engine/message.ts';
import { expect, type Target } from '../engine/target.ts';
import { checkError, responseOf } from './replies.ts';

/** An upload that has not ended by then is cancelled: a server may have more patience than we have time. */
const MOST_REQUESTS = 200;
const S3_SLICE = 5 * 1024 * 1024;
const NEXT = '\n====\n';
const S3_KEY = 'http://s3.test/films/dir/name.bin';
const JSON_KEY = 'http://cos.test/files/v2/10055004/demobucket/dir/name.bin';

const ok = (data: object): string => `HTTP/1.1 200 OK\n\n${JSON.stringify({ code: 0, message: 'SUCCESS', data })}`;
const no = (status: number, code: number): string =>
  `HTTP/1.1 ${status} No\n\n${JSON.stringify({ code, message: 'E' })}`;
const xml = (body: string): string => `HTTP/1.1 200 OK\n\n${body}`;
/** The same record for the other wire, which has larger parts. */
const ofS3 = (text: string): string =>
  text
    .replace('cos-json', 's3')
    .replace('655360', String(10 * S3_SLICE))
    .replaceAll('65536', String(S3_SLICE));
const story = (...pieces: string[]): string => pieces.join(NEXT);
const RECORD = JSON.stringify({
  ...record({ finishing: true, sha: 'c'.repeat(40), wire: 'cos-json' }),
  hash: { hashedBytes: 65536, data: 'x' },
});
const OPENED = ok({ session: 's1', slice_size: 65536 });
const FOUND = ok({
  access_url: 'http://dl/o',
  url: 'http://api/o',
  resource_path: '/1/b/o',
  filesize: 655360,
  made_by: 's1',
});
const LISTED = ok({
  session: 's1',
  slice_size: 65536,
  filesize: 655360,
  listparts: [
    { offset: 0, datalen: 65536 },
    { offset: 131072, datalen: 524288 },
  ],
});
const PARTS = xml(
  '<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>2</PartNumber><ETag>"b"</ETag><Size>5242880</Size></Part></ListPartsResult>',
); // prettier-ignore

/** Lets anything through, at once. */
const anything: Authorizer = { authorize: async (request) => ({ ...request, authorization: { value: 'signed' } }) };

/** A whole upload against a server that says anything, after an earlier run that has left anything behind. */
export const uploads: Target = {
  name: 'uploads',
  about:
    'an upload against a server that answers anything, with a record of anything: it ends, with success or the error that says why',
  seeds: [
    story(OPENED, ok({ session: 's1', offset: 0, datalen: 65536 })),
    story(no(409, -4019), LISTED),
    story(no(409, -4020), LISTED, ok({}), OPENED),
    story(no(409, -177)),
    story(RECORD, LISTED),
    story(RECORD, FOUND),
    story(RECORD, no(404, -197), OPENED, no(404, -197)),
    story(OPENED, no(503, -71), no(500, -181), no(403, -59), 'HTTP/1.1 502 Bad\n\n<html>'),
    story(
      's3',
      xml('<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>'),
      'HTTP/1.1 200 OK\nETag: "a"\n\n',
    ),
    story('s3', ofS3(RECORD), PARTS, 'HTTP/1.1 200 OK\nETag: "a"\n\n'),
    story('s3', ofS3(RECORD).replace('"s1"', '"u1 m1"'), PARTS, xml('<Error><Code>InvalidPart</Code></Error>'), PARTS),
  ],
  words: [
    NEXT,
    's3',
    '"session":',
    '"slice_size":',
    '"listparts":',
    '"offset":',
    '"code":-4019',
    '<PartNumber>',
    '"sizeBytes":',
    '"hash":',
    'Retry-After: ',
  ],
  async run(input) {
    const pieces = splitAt(input, NEXT);
    const isS3 = pieces[0]?.toString() === 's3';
    if (isS3) pieces.shift();
    const store = memoryStore();
    if (pieces[0]?.[0] === 0x7b) {
      const remembered = parsed(String(pieces.shift()));
      // What a platform's store hands on has been looked at by it; see the target of records.
      if (remembered) store.records.set(isS3 ? S3_KEY : JSON_KEY, remembered);
    }
    const controller = new AbortController();
    const setting = setUp({
      ...(isS3 && { size: 10 * S3_SLICE }),
      answer(_request, index): ScriptedReply | undefined {
        if (index >= MOST_REQUESTS) controller.abort(new Error('enough'));
        const piece = pieces[index];
        if (!piece) return isS3 ? { text: '', headers: { etag: '"e"' } } : undefined;
        const { status, body } = responseOf(piece);
        const headers = Object.fromEntries([...headersOf(piece)]);
        return { status, headers, text: body };
      },
      options: {
        resume: store,
        signal: controller.signal,
        ...(isS3 && {
          sliceSize: S3_SLICE,
          wire: s3({ endpoint: 'http://s3.test', bucket: 'films' }),
          signer: anything,
        }),
      },
      network: switchedNetwork(true),
    });
    const more = isS3 ? { endpoint: undefined as never, appId: undefined as never, bucket: undefined as never } : {};
    const upload = setting.start(more);
    try {
      const result = await setting.clock.runUntil(upload.done);
      expect(Number.isSafeInteger(result.sentBytes) && result.sentBytes >= 0, `${result.sentBytes} bytes were sent`);
    } catch (error) {
      if (error !== controller.signal.reason) checkError(error);
      if (isCosSliceError(error, 'invalid-options')) throw error;
    }
    expect(setting.slices.length === setting.released.length, 'a slice was not released');
    expect(setting.clock.sleepers === 0, 'something still waits');
  },
}; // prettier-ignore

function parsed(text: string): ResumeRecord | undefined {
  try {
    const value = JSON.parse(text);
    return value?.version === 1 ? value : undefined;
  } catch {
    return undefined;
  }
}

function* headersOf(piece: Buffer): Generator<[string, string]> {
  const [head = ''] = piece.toString('latin1').split(/\r?\n\r?\n/);
  for (const line of head.split(/\r?\n/).slice(1)) {
    const at = line.indexOf(':');
    if (at > 0) yield [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  }
}
