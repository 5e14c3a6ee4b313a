import { expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import type { ByteRange } from '../ports.ts';
import { s3Wire } from '../protocol/s3/index.ts';
import { createManualClock } from '../testing/manual-clock.ts';
import { createScriptedTransport } from '../testing/scripted-transport.ts';
import { FOUND, ok, refuse, SLICE } from '../testing/setting.ts';
import { createUnfinishedUploads } from './unfinished.ts';

test('a list of uploads ends when its pages lead in a circle', async () => {
  const transport = createScriptedTransport<ByteRange>(({ url }) => {
    const key = url.includes('key-marker=a&') ? 'b' : 'a';
    return {
      text: `<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><Upload><Key>${key}</Key><UploadId>1</UploadId></Upload></ListMultipartUploadsResult>`,
    };
  });
  const uploads = createUnfinishedUploads<ByteRange>(
    {
      wire: s3Wire({ endpoint: 'http://s3.test', bucket: 'films' }),
      signer: { authorize: async (request) => request },
    },
    { transport, clock: createManualClock() },
  );
  const all = async (): Promise<void> => {
    for await (const _ of uploads.list(''));
  };
  await expect(all()).rejects.toMatchObject({ code: 'bad-reply', message: expect.stringMatching(/one before it/) });
  expect(transport.requests.length).toBeLessThan(6);
});

test('where a delete takes whatever is at the path, each attempt looks that it is the upload, with its signature at hand', async () => {
  let there: 'upload' | 'object' | undefined = 'upload';
  const done: string[] = [];
  const transport = createScriptedTransport<ByteRange>(({ fields: { op } }) => {
    done.push(String(op));
    if (op === 'upload_slice_list') {
      if (there === 'upload') return ok({ session: 's1', slice_size: SLICE, filesize: 5, listparts: [] });
      return there ? ok(FOUND) : refuse(-197, 404);
    }
    const before = there;
    there = undefined;
    if (before !== 'upload') return before ? ok({}) : refuse(-197, 404);
    // Nobody hears of it, and meanwhile somebody else's upload becomes an object.
    there = 'object';
    return new CosSliceError('network', 'broken', { remedy: 'backoff' });
  });
  const clock = createManualClock();
  const uploads = createUnfinishedUploads<ByteRange>(
    {
      endpoint: 'http://cos.test/files/v2',
      appId: '10055004',
      bucket: 'demobucket',
      resume: false,
      concurrency: 1,
      signer: ({ effect }) => {
        if (effect === 'once') done.push(effect);
        return 'U0lHTkFUVVJF';
      },
    },
    { transport, clock, random: () => 0.5 },
  );
  await clock.runUntil(uploads.discard({ path: 'a', session: 's1' }));
  expect(there).toBe('object');
  const attempts = done.join(' ').split('once').slice(1);
  expect(attempts).toEqual([' upload_slice_list delete ', ' upload_slice_list']);
});
