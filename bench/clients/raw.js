// @ts-check
// The limit: node:http and nothing else, sending the bytes that an upload in slices consists of, without looking at them.
// From memory it is what the HTTP client can do; from a file it is what any client for files can hope for.
import { open } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { ACCOUNT, BUCKET, PREFIX } from '../lib/account.js';
import { frame } from '../lib/frame.js';

/** @param {import('./main.js').ClientJob} job */
export async function prepare({ port, file, sizeBytes, sliceSizeBytes, concurrency, variant }) {
  const workers = typeof concurrency === 'number' ? concurrency : concurrency.max;
  const agent = new Agent({ keepAlive: true, maxSockets: workers });
  const path = `${PREFIX}/${ACCOUNT.appId}/${BUCKET}/raw/${process.pid}.bin`;

  /** @param {Record<string, string>} fields @param {Uint8Array} [content] */
  const post = (fields, content) =>
    new Promise((resolve, reject) => {
      const { head, tail, contentType, contentLength } = frame(fields, content?.length);
      const headers = { 'Content-Type': contentType, 'Content-Length': contentLength, Authorization: 'bench' };
      const req = request({ host: '127.0.0.1', port, path, method: 'POST', agent, headers }, (res) => {
        res.resume();
        res.on('end', resolve);
      });
      req.on('error', reject);
      req.write(head);
      if (content) req.write(content);
      req.end(tail);
    });

  return async () => {
    await post({ op: 'upload_slice_init', filesize: String(sizeBytes), slice_size: String(sliceSizeBytes) });
    const handle = variant === 'file' ? await open(file) : undefined;
    let next = 0;
    const work = async () => {
      const buffer = Buffer.alloc(sliceSizeBytes);
      while (next < sizeBytes) {
        const offset = next;
        next += sliceSizeBytes;
        const content = buffer.subarray(0, Math.min(sliceSizeBytes, sizeBytes - offset));
        if (handle) await handle.read(content, 0, content.length, offset);
        await post({ op: 'upload_slice_data', session: 'bench-session', offset: String(offset) }, content);
      }
    };
    await Promise.all(Array.from({ length: workers }, work));
    await post({ op: 'upload_slice_finish', session: 'bench-session', filesize: String(sizeBytes) });
    await handle?.close();
    agent.destroy();
  };
}
