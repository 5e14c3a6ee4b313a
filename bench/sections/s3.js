// @ts-check
// An object store behind the server: what of its speed is left, and what a second server brings where the store is no limit.
import { CEPH_BUCKET, startCeph } from '../lib/ceph.js';
import { runJob, startService } from '../lib/child.js';
import { inRounds } from '../lib/context.js';
import { MIB } from '../lib/options.js';
import { bindTo, canBind } from '../lib/processors.js';
import { Samples } from '../lib/samples.js';

/** @import { Context, Findings } from '../lib/context.js' */

const CONNECTIONS = 4;
const PART_BYTES = 8 * MIB;
const WARM_UP_BYTES = 256 * MIB;
const RAW = 'UploadPart calls to Ceph';
const PIPE = 'a pipe from node:http to node:http to Ceph';

/** @param {Context} context @returns {Promise<Findings>} */
export async function s3(context) {
  const samples = new Samples();
  const sizeBytes = context.options.diskSizeBytes;
  const notes = [];
  const ceph = await startCeph().catch((error) => {
    notes.push(`Object store: no Ceph here (${String(error.stderr ?? error).trim()})`);
    return undefined;
  });
  const sink = await startService('sinks/main.js');
  try {
    const rawParts = (/** @type {string} */ endpoint) =>
      runJob('clients/raw-parts.js', {
        endpoint,
        bucket: CEPH_BUCKET,
        sizeBytes,
        partBytes: PART_BYTES,
        connections: CONNECTIONS,
      });
    // A Ceph that has just started takes a quarter of what it takes later: whoever comes first would look slow.
    if (ceph) await rawParts(ceph.endpoint);
    const round = async (/** @type {number} */ run) => {
      if (ceph) {
        samples.add(RAW, await rawParts(ceph.endpoint), sizeBytes);
        samples.add(PIPE, await throughServers(ceph.endpoint, 1, 'plain', `ceph-pipe-${run}`, sizeBytes), sizeBytes);
        for (const kind of ['none', 'md5', 'sha1']) {
          const measured = await throughServers(ceph.endpoint, 1, kind, `ceph-${kind}-${run}`, sizeBytes);
          samples.add(`@cos-slice/server ${kind} to Ceph`, measured, sizeBytes);
        }
      }
      await ceph?.empty();
      const endpoint = `http://127.0.0.1:${sink.ready.ports.s3}`;
      for (const count of [1, 2]) {
        const measured = await throughServers(endpoint, count, 'sha1', `sink-${count}-${run}`, 2 * sizeBytes);
        samples.add(nameOf(count), measured, 2 * sizeBytes);
      }
      for (const count of canBind() ? [1, 2] : []) {
        const measured = await throughServers(endpoint, count, 'sha1', `bound-${count}-${run}`, 2 * sizeBytes, true);
        samples.add(nameOf(count, true), measured, 2 * sizeBytes);
      }
    };
    notes.push(...(await inRounds(context, { name: 'Object store', share: 0.1 }, round)));
  } finally {
    await sink.stop();
    await ceph?.stop();
  }
  const versus = (/** @type {string} */ kind) => samples.speedRatio(`@cos-slice/server ${kind} to Ceph`, RAW);
  return {
    rows: samples.rows(),
    ratios: {
      s3NoneVsRawParts: versus('none'),
      s3NoneVsPipe: samples.speedRatio('@cos-slice/server none to Ceph', PIPE),
      s3NoneCpuVsPipe: samples.cpuRatio('@cos-slice/server none to Ceph', PIPE),
      s3PipeVsRawParts: samples.speedRatio(PIPE, RAW),
      s3Md5VsRawParts: versus('md5'),
      s3Sha1VsRawParts: versus('sha1'),
      s3TwoProcessesVsOne: samples.speedRatio(nameOf(2, true), nameOf(1, true)),
      s3TwoProcessesVsOneFullMachine: samples.speedRatio(nameOf(2), nameOf(1)),
      s3TwoProcessesCpuVsOne: samples.cpuRatio(nameOf(2, true), nameOf(1, true)),
    },
    notes,
  };
}

/** @param {number} count @param {boolean} [isBound] */
function nameOf(count, isBound = false) {
  const limit = isBound ? ` with a processor${count === 1 ? '' : ' each'}` : '';
  return `${count === 1 ? 'one server' : 'two servers'} sha1 to an S3 sink${limit}`;
}

/**
 * CPU and memory are the servers'. One server with its hashing threads, what sends to it and what it sends to keep two processors
 * busy between them: a second server finds little left of such a machine. So there are runs in which each server has one
 * processor and no more, as on the smallest of machines; what sends and what receives runs wherever there is room.
 *
 * @param {string} endpoint
 * @param {number} count
 * @param {string} kind `plain`: through a pipe
 * @param {string} name
 * @param {number} sizeBytes
 * @param {boolean} [isBound]
 */
async function throughServers(endpoint, count, kind, name, sizeBytes, isBound = false) {
  const store = { endpoint, bucket: CEPH_BUCKET, prefix: name };
  const serverKind = kind === 'plain' ? 'pipe' : 's3';
  const servers = await Promise.all(
    Array.from({ length: count }, () => startService('servers/main.js', { kind: serverKind, store })),
  );
  try {
    const ports = servers.map(({ ready }) => ready.port);
    const job = { port: ports[0], ports, kind, sliceSizeBytes: PART_BYTES, connections: CONNECTIONS };
    // Servers run for long. One that has seen a few slices only is still compiled in the middle of the next ones.
    await runJob('servers/load.js', { ...job, name: `${name}-warm-up.bin`, sizeBytes: WARM_UP_BYTES });
    await Promise.all(servers.map((server) => server.ask({ type: 'start' })));
    if (isBound) for (const [index, { pid }] of servers.entries()) bindTo(index, pid);
    const { wallMs } = await runJob('servers/load.js', { ...job, name: `${name}.bin`, sizeBytes });
    const used = await Promise.all(servers.map((server) => server.ask({ type: 'stop' })));
    const sum = (/** @type {'cpuMs' | 'rssGrowthMiB'} */ what) => used.reduce((total, one) => total + one[what], 0);
    return { wallMs, cpuMs: sum('cpuMs'), rssGrowthMiB: sum('rssGrowthMiB') };
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}
