// What the tests' page does with a client.
import { patternBytes } from '@cos-slice/core/testing';
import { createClient, remoteSigner } from '../index.ts';

const bytesOf = async (blob: Blob): Promise<Uint8Array> => new Uint8Array(await blob.arrayBuffer());
const isSame = async (one: Blob, other: Blob): Promise<boolean> => {
  const [these, those] = [await bytesOf(one), await bytesOf(other)];
  return these.length === those.length && these.every((byte, at) => byte === those[at]);
};

export const clientApi = {
  /** Everything that a client does with one object, in its order. @returns what was seen */
  async client(settings: { readonly endpoint: string; readonly signUrl: string }, sizeBytes: number) {
    const { endpoint, signUrl } = settings;
    const client = createClient({
      endpoint,
      appId: '10055004',
      bucket: 'demobucket',
      signer: remoteSigner(signUrl),
      resume: false,
    });
    const content = new Blob([patternBytes(sizeBytes).slice()]);
    await client.createDirectory('of client/');
    await client.upload(content, 'of client/ü.bin').done;
    await client.copy('of client/ü.bin', 'of client/copy');
    await client.update('of client/copy', { attributes: 'ba', authority: 'private' });
    const paths: string[] = [];
    for await (const { path } of client.list('of client/', { pageSize: 1 })) paths.push(path);
    const { blob, ...result } = await client.download('of client/copy', { type: 'video/mp4' }).done;
    const streamed: Uint8Array<ArrayBuffer>[] = [];
    const stream = new WritableStream<Uint8Array>({ write: (chunk) => void streamed.push(chunk.slice()) });
    await client.downloadTo(stream, 'of client/ü.bin').done;
    const url = await client.downloadUrl('of client/copy');
    const fetched = await (await fetch(url)).blob();
    await client.remove('of client/copy');
    await client.move('of client/', 'moved/');
    const gone = await client.stat('of client/').catch((error) => error.code);
    const same = await Promise.all([blob, new Blob(streamed), fetched].map((one) => isSame(one, content)));
    return { paths, result, type: blob.type, same, gone };
  },
  /** Downloads to a `Blob` or to a stream. @returns what became of it */
  async download(
    { endpoint, signUrl }: { readonly endpoint: string; readonly signUrl: string },
    path: string,
    { to, verify = true }: { readonly to: 'blob' | 'stream'; readonly verify?: boolean },
  ) {
    const client = createClient({ endpoint, appId: '10055004', bucket: 'demobucket', signer: remoteSigner(signUrl) });
    let end = '';
    let bytes = 0;
    const stream = new WritableStream<Uint8Array>({
      write(chunk) {
        bytes += chunk.length;
      },
      close() {
        end = 'closed';
      },
      abort() {
        end = 'aborted';
      },
    });
    const download = to === 'blob' ? client.download(path, { verify }) : client.downloadTo(stream, path, { verify });
    const done = await download.done.then(
      (result) => ('blob' in result ? (result.blob as Blob).size : bytes),
      (error) => error.code,
    );
    return { done, end };
  },
  /** Removes a directory with what is directly in it. */
  async forget({ endpoint, signUrl }: { readonly endpoint: string; readonly signUrl: string }, path: string) {
    const client = createClient({ endpoint, appId: '10055004', bucket: 'demobucket', signer: remoteSigner(signUrl) });
    for await (const entry of client.list(path)) await client.remove(entry.path);
    await client.remove(path);
  },
};
