// @ts-check
// The limit on the XML wires: node:http and nothing else, putting the parts of a file without signing them or looking at them.
import { open } from 'node:fs/promises';
import { Agent, request } from 'node:http';

/** @param {import('./main.js').ClientJob} job */
export async function prepare({ port, file, sizeBytes, sliceSizeBytes, concurrency }) {
  const workers = typeof concurrency === 'number' ? concurrency : concurrency.max;
  const agent = new Agent({ keepAlive: true, maxSockets: workers });
  const path = `/bench/raw-${process.pid}.bin`;

  /** @param {string} method @param {string} query @param {Uint8Array} [content] */
  const send = (method, query, content = new Uint8Array()) =>
    new Promise((resolve, reject) => {
      const headers = { 'Content-Length': content.length, Authorization: 'bench' };
      const req = request({ host: '127.0.0.1', port, path: path + query, method, agent, headers }, (res) => {
        res.resume();
        res.on('end', resolve);
      });
      req.on('error', reject);
      req.end(content);
    });

  return async () => {
    await send('POST', '?uploads');
    const handle = await open(file);
    let next = 0;
    const work = async () => {
      const buffer = Buffer.alloc(sliceSizeBytes);
      while (next < sizeBytes) {
        const offset = next;
        next += sliceSizeBytes;
        const content = buffer.subarray(0, Math.min(sliceSizeBytes, sizeBytes - offset));
        await handle.read(content, 0, content.length, offset);
        await send('PUT', `?partNumber=${offset / sliceSizeBytes + 1}&uploadId=bench`, content);
      }
    };
    await Promise.all(Array.from({ length: workers }, work));
    await send('POST', '?uploadId=bench');
    await handle.close();
    agent.destroy();
  };
}
