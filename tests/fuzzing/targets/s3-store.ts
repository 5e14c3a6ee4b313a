import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { createCalls } from '../../../packages/server/src/store/s3/calls.ts';
import { createClient, type S3Client } from '../../../packages/server/src/store/s3/client.ts';
import { infoOf } from '../../../packages/server/src/store/s3/labels.ts';
import { createTransport } from '../../../packages/server/src/store/s3/transport.ts';
import { readMessage } from '../engine/message.ts';
import { expect, type Target } from '../engine/target.ts';

const xml = (body: string): string =>
  `HTTP/1.1 200 OK\nDate: Wed, 31 Aug 2016 20:46:40 GMT\n\n<?xml version="1.0"?>${body}`;
const PLACE = { bucket: 'films', key: 'a' };
const UPLOAD = { ...PLACE, uploadId: 'u1' };
/** No list of a store that answers the same to everything has more pages. */
const MOST_REQUESTS = 40;

let server: Server | undefined;
let client: S3Client | undefined;
let reply: Buffer = Buffer.alloc(0);
let asked = 0;

async function start(): Promise<S3Client> {
  server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      asked++;
      socket.end(reply);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return createClient(
    createTransport({
      endpoint: `http://127.0.0.1:${port}`,
      region: 'r',
      credentials: { accessKeyId: 'i', secretAccessKey: 'k' },
      pathStyle: true,
    }),
  );
}

/** What the object store below a server answers. */
export const s3Store: Target = {
  name: 's3-store',
  about: 'replies of the object store below a server: an answer, or an error of the store; lists end',
  seeds: [
    xml(
      '<ListBucketResult><IsTruncated>true</IsTruncated><NextMarker>b</NextMarker><Contents><Key>a%20b+c</Key><LastModified>2024-01-01T00:00:00.000Z</LastModified></Contents><CommonPrefixes><Prefix>d/</Prefix></CommonPrefixes></ListBucketResult>',
    ),
    xml(
      '<ListPartsResult><IsTruncated>false</IsTruncated><Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag><Size>3</Size><LastModified>2024-01-01T00:00:00.000Z</LastModified></Part></ListPartsResult>',
    ),
    xml(
      '<ListMultipartUploadsResult><Upload><Key>a</Key><UploadId>u</UploadId><Initiated>2024-01-01T00:00:00.000Z</Initiated></Upload></ListMultipartUploadsResult>',
    ),
    xml('<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>'),
    xml('<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'),
    xml('<CopyPartResult><ETag>"e"</ETag></CopyPartResult>'),
    xml('<Error><Code>InternalError</Code><Message>x &#65;</Message></Error>'),
    'HTTP/1.1 404 Not Found\nContent-Type: application/xml\n\n<Error><Code>NoSuchUpload</Code></Error>',
    'HTTP/1.1 200 OK\nETag: "e"\nContent-Length: 3\nLast-Modified: Wed, 31 Aug 2016 20:46:40 GMT\nx-amz-meta-cos-slice-revision: r\nx-amz-meta-cos-slice-encoded: x-amz-meta-a +cos-slice-attributes\nx-amz-meta-cos-slice-attributes: %E4%B8%AD\nx-amz-meta-cos-slice-headers: +a Cache-Control\nx-amz-meta-a: b%20\n\nabc',
  ],
  words: [
    '<Key>',
    '<Part>',
    '<IsTruncated>true</IsTruncated>',
    '<NextMarker>',
    '<Code>',
    '%zz',
    '&#x110000;',
    '<PartNumber>',
  ],
  async run(input) {
    client ??= await start();
    const calls = createCalls(client);
    const { start: line, headers, body } = readMessage(input);
    const status = /\d{3}/.exec(line)?.[0] ?? '200';
    // What is worth another try takes its time.
    const passing = /^([15]|204|304|429)/.test(status) ? '400' : status;
    const head = headers.filter(
      ([name, value]) =>
        /^[\w-]+$/.test(name) && !/^(content-length|transfer-encoding)$/i.test(name) && /^[\x20-\x7e]*$/.test(value),
    );
    const lines = head.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    reply = Buffer.concat([
      Buffer.from(`HTTP/1.1 ${passing} X\r\n${lines}Content-Length: ${body.length}\r\nConnection: close\r\n\r\n`),
      body,
    ]);
    const acts: Record<string, () => Promise<unknown>> = {
      list: () => calls.list('films', 'dir/', { delimiter: '/' }),
      listParts: () => calls.listParts(UPLOAD),
      listUploads: () => calls.listUploads('films', ''),
      createUpload: () => calls.createUpload(PLACE, {}),
      completeUpload: () => calls.completeUpload(UPLOAD, [{ number: 1, etag: 'a' }], true),
      copyPart: () => calls.copyPart(UPLOAD, 1, PLACE, 'e', 0, 9),
      read: async () => {
        const there = await calls.read(PLACE);
        if (there) checkInfo(infoOf(there.head));
      },
    };
    // Those that store the same way fail the same way, and each takes a connection.
    for (const [name, act] of Object.entries(acts)) {
      asked = 0;
      try {
        await act();
      } catch (error) {
        const { message, code = '' } = error as Error & { readonly code?: string };
        if (code.startsWith('HPE_')) continue;
        if (!(error instanceof Error) || !/the object store/.test(message)) throw error;
        expect(!/[\r\n]/.test(error.message), `${name}: a message of several lines`);
      }
      expect(asked <= MOST_REQUESTS, `${name} does not end`);
    }
  },
  async close() {
    client?.close();
    server?.close();
    client = undefined;
    server = undefined;
  },
}; // prettier-ignore

function checkInfo(info: ReturnType<typeof infoOf>): void {
  expect(info.sizeBytes >= 0 && Number.isFinite(info.modifiedAtMs), 'an object without size or time');
  expect(!Number.isNaN(new Date(info.modifiedAtMs).getTime()), `modified at ${info.modifiedAtMs}`);
  for (const value of Object.values(info.headers ?? {})) expect(typeof value === 'string', 'a header that is no text');
}
