import { once } from 'node:events';
import { mkdir, open, truncate } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { post } from './testing/client.ts';
import { type DiskCall, diskError, watchDisk } from './testing/disk.ts';
import { startServer } from './testing/server.ts';
import { createUploader } from './testing/upload.ts';

const isObject = ({ path, to = path }: DiskCall) => to.includes('/demobucket/');

describe('what the storage will never take', () => {
  test.each(['EROFS', 'EACCES', 'EPERM'])('is refused for good when an upload begins: %s', async (code) => {
    const server = await startServer();
    await mkdir(join(server.dir, '10055004/demobucket'), { recursive: true });
    const disk = await watchDisk(server.dir);
    disk.before = (call) => {
      if (call.name === 'access' && call.path.endsWith('demobucket')) throw diskError(code, call);
    };
    const reply = await createUploader(server.urlOf('a/b')).init();
    expect([reply.status, reply.json().code]).toEqual([400, -180]);
    expect(reply.json().message).toContain(code);
    expect(reply.json().message).not.toContain(server.dir);
    // The operator is to see it all the same.
    expect(server.requests.at(-1)?.fault).toMatchObject({ code });
  });

  test('is refused for good when only the end shows it, and the upload goes on when the operator has seen to it', async () => {
    const server = await startServer();
    const upload = createUploader(server.urlOf('a'));
    await upload.init();
    for (let index = 0; index < 4; index++) await upload.data(index);
    const disk = await watchDisk(server.dir);
    for (const [code, expected] of [
      ['EPERM', [400, -180]],
      ['EROFS', [400, -180]],
      ['EFBIG', [400, -180]],
      ['ENOSPC', [500, -181]],
      ['EDQUOT', [500, -181]],
      ['EIO', [500, -181]],
    ] as const) {
      disk.before = (call) => {
        if (isObject(call)) throw diskError(code, call);
      };
      const reply = await upload.finish();
      expect([reply.status, reply.json().code], code).toEqual(expected);
    }
    disk.before = () => {};
    expect((await upload.finish()).json().code).toBe(0);
    expect((await server.stored('a')).equals(upload.bytes)).toBe(true);
  });

  test('is a name that the storage cannot have', async () => {
    const server = await startServer();
    const disk = await watchDisk(server.dir);
    disk.before = (call) => {
      if (call.name === 'mkdir' && isObject(call)) throw diskError('EINVAL', call);
    };
    const reply = await post(server.urlOf('dir. /x'), { op: 'upload', filecontent: 'x' });
    expect([reply.status, reply.json().code]).toEqual([400, -180]);
  });
});

describe('a download whose file shrinks', () => {
  test.each(['cut', 'emptied'])('ends with its connection, and never holds the next reply: %s', async (how) => {
    const server = await startServer({ publicRead: true });
    const path = join(server.dir, '10055004/demobucket/film');
    await mkdir(dirname(path), { recursive: true });
    await (await open(path, 'w')).close();
    const sizeBytes = 64 * 2 ** 20;
    await truncate(path, sizeBytes);
    const { port } = new URL(server.origin);
    const socket = connect(Number(port), '127.0.0.1');
    const request = 'GET /files/v2/10055004/demobucket/film HTTP/1.1\r\nHost: x\r\n\r\n';
    socket.write(request + request);
    await once(socket, 'readable');
    await truncate(path, how === 'cut' ? 2 ** 20 : 0);
    let takenBytes = 0;
    let replies = 0;
    socket.on('data', (chunk: Buffer) => {
      takenBytes += chunk.length;
      if (chunk.includes('HTTP/1.1 ')) replies++;
    });
    await once(socket, 'close');
    expect(takenBytes).toBeLessThan(sizeBytes);
    expect(replies).toBe(1);
  });
});
