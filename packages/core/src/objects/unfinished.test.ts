import { expect, test } from 'vitest';
import type { ByteRange } from '../ports.ts';
import { s3Wire } from '../protocol/s3/index.ts';
import { createManualClock } from '../testing/manual-clock.ts';
import { createScriptedTransport } from '../testing/scripted-transport.ts';
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
