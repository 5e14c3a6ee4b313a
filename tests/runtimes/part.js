// @ts-check
// One side of an exchange, run by the runtime that is to be tried: `server ROOT`, or `client ENDPOINT FOLDER`.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient, createFileResumeStore, createSigner, isCosSliceError, uploadFile } from '@cos-slice/node';
import { createSliceServer, fileStore } from '@cos-slice/server';

const MIB = 1024 * 1024;
const ACCOUNT = { appId: '10055004', secretId: 'ID', secretKey: 'KEY', buckets: ['demobucket'] };

const [, , part, ...args] = process.argv;
if (part === 'server') await serve(args[0] ?? '');
else await exchange(args[0] ?? '', args[1] ?? '');

/** @param {string} root */
async function serve(root) {
  const server = createSliceServer({ store: fileStore(root), accounts: [ACCOUNT] });
  const { port } = await server.listen(0);
  console.log(`listening ${port}`);
  // Whoever started it closes its input.
  for await (const _ of process.stdin);
  await server.close();
}

/**
 * @param {string} endpoint
 * @param {string} folder of its own: sources, downloads, records
 */
async function exchange(endpoint, folder) {
  const signer = createSigner({ ...ACCOUNT, bucket: 'demobucket', bound: false });
  const at = {
    endpoint,
    appId: ACCOUNT.appId,
    bucket: 'demobucket',
    signer,
    resume: createFileResumeStore({ dir: join(folder, 'records') }),
  };
  const client = createClient(at);
  const content = randomBytes(5 * MIB + 3);
  const file = join(folder, 'source.bin');
  await writeFile(file, content);
  const shared = /** @type {const} */ ({ ...at, sliceSize: MIB, singleRequestMax: 64 * 1024 });
  /** @param {string} name @param {() => Promise<unknown>} act */
  const step = async (name, act) => {
    await act();
    console.log(`ok ${name}`);
  };
  /** @param {string} path @param {Uint8Array} wanted */
  const isStored = async (path, wanted) => {
    const to = join(folder, 'back.bin');
    await client.download(path, to, { overwrite: true }).done;
    assert.equal(sha1(await readFile(to)), sha1(wanted));
  };

  for (const integrity of /** @type {const} */ (['none', 'md5', 'sha1'])) {
    await step(`slices of a file, ${integrity}`, async () => {
      const { accessUrl } = await uploadFile(file, { ...shared, path: `${integrity}.bin`, integrity }).done;
      assert.equal(new URL(accessUrl).protocol, 'http:');
      await isStored(`${integrity}.bin`, content);
    });
  }
  await step('bytes in one request', async () => {
    await uploadFile(content.subarray(0, 1000), { ...shared, path: 'small.bin' }).done;
    await isStored('small.bin', content.subarray(0, 1000));
  });
  await step('a stream', async () => {
    const source = { stream: new Blob([content]).stream(), sizeBytes: content.length };
    await uploadFile(source, { ...shared, path: 'stream.bin' }).done;
    await isStored('stream.bin', content);
  });
  await step('what is there stays', async () => {
    const again = uploadFile(content.subarray(0, 10), { ...shared, path: 'md5.bin' });
    await assert.rejects(again.done, (error) => isCosSliceError(error, 'exists'));
  });
  await step('a cancelled upload goes on', async () => {
    const cancel = new AbortController();
    const first = uploadFile(file, {
      ...shared,
      path: 'later.bin',
      concurrency: 1,
      signal: cancel.signal,
      onProgress: ({ confirmedBytes }) => confirmedBytes >= MIB && cancel.abort(new Error('enough')),
    });
    await assert.rejects(first.done, { message: 'enough' });
    const { resumedBytes } = await uploadFile(file, { ...shared, path: 'later.bin' }).done;
    assert.ok(resumedBytes >= MIB, `${resumedBytes} bytes had been stored`);
    await isStored('later.bin', content);
  });
  await step('a list, and a removal', async () => {
    const names = [];
    for await (const { name } of client.list('')) names.push(name);
    assert.deepEqual(names.sort(), ['later.bin', 'md5.bin', 'none.bin', 'sha1.bin', 'small.bin', 'stream.bin']);
    for (const name of names) await client.remove(name);
  });
  await step('a wrong key', async () => {
    const wrong = createSigner({ ...ACCOUNT, secretKey: 'wrong', bucket: 'demobucket', bound: false });
    const refused = uploadFile(content, { ...shared, path: 'refused.bin', signer: wrong, retry: { attempts: 2 } });
    await assert.rejects(refused.done, (error) => isCosSliceError(error, 'unauthorized'));
  });
}

/** @param {Uint8Array} bytes */
function sha1(bytes) {
  return createHash('sha1').update(bytes).digest('hex');
}
