// @ts-check
// Bytes that arrive: clients to the servers that their users run, and our server under a load that costs nothing.
import { join } from 'node:path';
import { runJob } from '../lib/child.js';
import { inRounds } from '../lib/context.js';
import { MIB } from '../lib/options.js';
import { Samples } from '../lib/samples.js';
import { withServer } from '../lib/server.js';
import { makeTestFile } from '../lib/test-file.js';

/** @import { Context, Findings } from '../lib/context.js' */

const CONNECTIONS = 4;
/** Sent before the clock starts: what is measured is a server that has run for a while, whichever it is. */
const WARM_UP_BYTES = 128 * MIB;

/** @type {readonly { name: string, client: string, variant?: string, server: 'cos-slice' | 'tus' }[]} */
const PAIRS = [
  { name: 'cos-slice none to @cos-slice/server', client: 'cos-slice', variant: 'none', server: 'cos-slice' },
  { name: 'cos-slice md5 to @cos-slice/server', client: 'cos-slice', variant: 'md5', server: 'cos-slice' },
  { name: 'cos-slice sha1 to @cos-slice/server', client: 'cos-slice', variant: 'sha1', server: 'cos-slice' },
  { name: 'qcloud_cos_v4 to @cos-slice/server', client: 'qcloud-cos-v4', server: 'cos-slice' },
  { name: 'tus-js-client to @tus/server', client: 'tus-js-client', server: 'tus' },
];

/**
 * CPU is the client's and the server's together, memory the client's.
 *
 * @param {Context} context
 * @returns {Promise<Findings>}
 */
export async function endToEnd(context) {
  const sizeBytes = context.options.diskSizeBytes;
  const file = await makeTestFile(join(context.dir, 'end-to-end.bin'), sizeBytes);
  const samples = new Samples();
  const notes = await inRounds(context, { name: 'End to end', share: 0.1 }, async () => {
    for (const { name, client, variant, server: kind } of PAIRS) {
      const measured = await withServer(context, kind, async (server) => {
        await server.ask({ type: 'start' });
        const job = { client, variant, port: server.ready.port, file, sizeBytes };
        const stateDir = join(context.dir, 'state');
        const result = await runJob('clients/main.js', {
          ...job,
          sliceSizeBytes: MIB,
          concurrency: CONNECTIONS,
          stateDir,
        });
        const { cpuMs } = await server.ask({ type: 'stop' });
        return { ...result, cpuMs: result.cpuMs + cpuMs };
      });
      samples.add(name, measured, sizeBytes);
    }
  });
  const [none, md5, sha1, qcloud, tus] = PAIRS.map(({ name }) => name);
  const versus = (/** @type {string | undefined} */ name, /** @type {string | undefined} */ other) =>
    samples.speedRatio(name ?? '', other ?? '');
  return {
    rows: samples.rows(),
    ratios: {
      diskNoneVsTus: versus(none, tus),
      diskMd5VsTus: versus(md5, tus),
      diskNoneVsQcloudV4: versus(none, qcloud),
      diskSha1VsQcloudV4: versus(sha1, qcloud),
    },
    notes,
  };
}

/** @type {readonly ('plain' | 'none' | 'md5' | 'sha1')[]} */
const LOADS = ['plain', 'none', 'md5', 'sha1'];

/**
 * CPU and memory are the server's.
 *
 * @param {Context} context
 * @returns {Promise<Findings>}
 */
export async function serverAlone(context) {
  const sizeBytes = context.options.diskSizeBytes;
  const samples = new Samples();
  const nameOf = (/** @type {string} */ kind) =>
    kind === 'plain' ? 'node:http that writes bodies to a file' : `@cos-slice/server ${kind}`;
  const notes = await inRounds(context, { name: 'Server', share: 0.07 }, async () => {
    for (const kind of LOADS) {
      const measured = await withServer(context, kind === 'plain' ? 'plain' : 'cos-slice', async (server) => {
        const job = { port: server.ready.port, kind, sliceSizeBytes: MIB, connections: CONNECTIONS };
        await runJob('servers/load.js', { ...job, name: 'warm-up.bin', sizeBytes: WARM_UP_BYTES });
        await server.ask({ type: 'start' });
        const { wallMs } = await runJob('servers/load.js', { ...job, name: 'load.bin', sizeBytes });
        return { ...(await server.ask({ type: 'stop' })), wallMs };
      });
      samples.add(nameOf(kind), measured, sizeBytes);
    }
  });
  const plain = nameOf('plain');
  return {
    rows: samples.rows(),
    ratios: {
      serverVsPlain: samples.speedRatio(nameOf('none'), plain),
      serverMd5VsPlain: samples.speedRatio(nameOf('md5'), plain),
      serverSha1VsPlain: samples.speedRatio(nameOf('sha1'), plain),
    },
    notes,
  };
}
