import { Readable } from 'node:stream';
import { createKept } from '../../../packages/server/src/content/held.ts';
import { createMultipartParser, type PartSink } from '../../../packages/server/src/form/multipart.ts';
import { readForm } from '../../../packages/server/src/form/read-form.ts';
import { createUploadPartsReader } from '../../../packages/server/src/integrity/upload-parts.ts';
import { ProtocolError } from '../../../packages/server/src/protocol/codes.ts';
import { readMessage } from '../engine/message.ts';
import { expect, type Target } from '../engine/target.ts';

const BOUNDARY = '----------------------------adb78d5a54eb';
const MULTIPART = `Content-Type: multipart/form-data; boundary=${BOUNDARY}\n\n`;
const SHA = 'ab'.repeat(20);

export function form(fields: Readonly<Record<string, string>>, headers = ''): string {
  const parts = Object.entries(fields).map(
    ([name, value]) => `--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${headers}\r\n\r\n${value}\r\n`,
  );
  return `${parts.join('')}--${BOUNDARY}--\r\n`;
}

/** More than that are not tried of one input: where it is cut then is up to its own bytes. */
const MOST_CUTS = 40;

/** A request's fields in all dialects there are. */
export const forms: Target = {
  name: 'forms',
  about:
    'bodies as forms, JSON and urlencoded text: the same fields however the bytes are cut, or the refusal that says why',
  seeds: [
    MULTIPART + form({ op: 'upload_slice_data', session: 's1', offset: '0', filecontent: 'some content' }),
    MULTIPART +
      form(
        { op: 'upload', fileContent: 'x', fileSize: '3' },
        '; filename="C:\\dir\\a; name=\\"op\\".bin"\r\nContent-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary',
      ),
    MULTIPART +
      form({
        op: 'upload_slice_init',
        filesize: '131072',
        uploadparts: `[{"offset":0,"datalen":65536,"datasha":"${SHA}"}, {"offset":65536,"datalen":65536,"datasha":"${SHA}"}]\n`,
      }),
    `${MULTIPART}preamble${form({ a: '' }).replace(/--\r\n$/, '')}`,
    MULTIPART + form({ a: `\r\n--${BOUNDARY}x\r\n--${BOUNDARY} \t\r` }),
    'Content-Type: multipart/form-data; boundary="a b"\n\n--a b\r\ncontent-disposition: form-data; NAME=x\r\n\r\ny\r\n--a b--',
    'Content-Type: application/json\n\n{"op":"upload_slice_list","custom_headers":{"Cache-Control":"no"},"n":1}',
    'Content-Type: application/x-www-form-urlencoded\n\nop=upload_slice_init&filesize=3&uploadparts=%5B%5D&a+b=%E4%B8%AD',
    '\n\n{"op":"delete"}',
  ],
  words: [
    '\r\n\r\n',
    `\r\n--${BOUNDARY}`,
    `--${BOUNDARY}--`,
    'name="',
    'filename="',
    'Content-Disposition: form-data; ',
    '"datasha":"',
    'filecontent',
    'uploadparts',
  ],
  growsTo: 256 * 1024,
  async run(input) {
    const { headers, body } = readMessage(input);
    const type = headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '';
    const whole = await readWhole(type, body);
    const boundary = /^multipart\/form-data;.*boundary=([^\s";]{1,70})$/i.exec(type)?.[1];
    // A body as long as these is here for what it costs.
    if (boundary === undefined || body.length > 16_384) return;
    const cut = await readCut(boundary, [body]);
    if (!whole.startsWith('-'))
      expect(cut.startsWith('ok'), `a form that can be read (${whole}) cannot be split: ${cut}`);
    for (const pieces of cutsOf(body)) {
      const other = await readCut(boundary, pieces);
      const at = pieces.length === 2 ? `at ${pieces[0]?.length}` : `into ${pieces.length}`;
      expect(other === cut, `cut ${at}, the form is another one: ${cut.slice(0, 200)} and ${other.slice(0, 200)}`);
    }
  },
}; // prettier-ignore

async function readWhole(type: string, body: Buffer): Promise<string> {
  const req = Object.assign(Readable.from([body]), { headers: { 'content-type': type }, complete: true });
  const kept = createKept();
  let contentBytes = 0;
  try {
    const { fields, uploadParts } = await readForm(req as never, new Map(), {
      maxContentBytes: 1 << 20,
      kept,
      onBytes: () => {},
      openContent: async () => ({
        write(bytes) {
          contentBytes += bytes.length;
          return undefined;
        },
      }),
    });
    for (const [name, value] of fields)
      expect(typeof name === 'string' && typeof value === 'string', 'a field that is no text');
    expect(contentBytes <= body.length, 'more content than came');
    return JSON.stringify([...fields, uploadParts?.sizeBytes]);
  } catch (error) {
    return codeOf(error);
  } finally {
    kept.release();
  }
} // prettier-ignore

/** What the splitter makes of it: names, values, and what `uploadparts` says. */
async function readCut(boundary: string, pieces: readonly Buffer[]): Promise<string> {
  const told: string[] = [];
  const parser = createMultipartParser(boundary, (name): PartSink => {
    const parts = name === 'uploadparts' ? createUploadPartsReader() : undefined;
    const chunks: Buffer[] = [];
    return {
      write(bytes) {
        chunks.push(Buffer.from(bytes));
        parts?.write(bytes);
        return undefined;
      },
      end() {
        const read = parts?.end();
        told.push(`${name}=${Buffer.concat(chunks).toString('latin1')}${read ? JSON.stringify(read) : ''}`);
      },
    };
  });
  try {
    for (const piece of pieces) await parser.write(piece);
    await parser.end();
    return `ok ${JSON.stringify(told)}`;
  } catch (error) {
    return codeOf(error);
  }
}

function* cutsOf(body: Buffer): Generator<Buffer[]> {
  const step = Math.max(1, Math.ceil(body.length / MOST_CUTS));
  const first = step > 1 ? body.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7) % step : 1;
  for (let at = Math.max(1, first); at < body.length; at += step) yield [body.subarray(0, at), body.subarray(at)];
  if (body.length < 1024) yield [...body].map((byte) => Buffer.from([byte]));
}

/** @throws what is no refusal */
export function codeOf(error: unknown): string {
  if (error instanceof ProtocolError && error.status < 500) return `${error.code} ${error.message}`;
  throw error;
}
