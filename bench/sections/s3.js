// @ts-check
// An object store behind the server: what of its speed is left, and what a second server brings where the store is no limit.
import { CEPH_BUCKET, startCeph } from '../lib/ceph.js';
import { runJob, startService } from '../lib/child.js';
import { inRounds } from '../lib/context.js';
import { MIB } from '../lib/options.js';
import { Samples } from '../lib/samples.js';
import { limitShare } from '../lib/share.js';

/** @import { Context, Findings } from '../lib/context.js' */

const CONNECTIONS = 4;
const PART_BYTES = 8 * MIB;
const RAW = 'UploadPart calls to Ceph';
/** Of the time that each server runs, where the machine may not be the limit either. */
const SHARE = 0.4;

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
    const round = async (/** @type {number} */ run) => {
      if (ceph) {
        const job = {
          endpoint: ceph.endpoint,
          bucket: CEPH_BUCKET,
          sizeBytes,
          partBytes: PART_BYTES,
          connections: CONNECTIONS,
        };
        samples.add(RAW, await runJob('clients/raw-parts.js', job), sizeBytes);
        for (const kind of ['none', 'md5', 'sha1']) {
          const measured = await throughServers(ceph.endpoint, 1, kind, `ceph-${kind}-${run}`, sizeBytes);
          samples.add(`@cos-slice/server ${kind} to Ceph`, measured, sizeBytes);
        }
      }
      const endpoint = `http://127.0.0.1:${sink.ready.ports.s3}`;
      for (const count of [1, 2]) {
        const measured = await throughServers(endpoint, count, 'sha1', `sink-${count}-${run}`, 2 * sizeBytes);
        samples.add(nameOf(count), measured, 2 * sizeBytes);
      }
      for (const count of [1, 2]) {
        const measured = await throughServers(endpoint, count, 'sha1', `share-${count}-${run}`, sizeBytes, SHARE);
        samples.add(nameOf(count, SHARE), measured, sizeBytes);
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
      s3Md5VsRawParts: versus('md5'),
      s3Sha1VsRawParts: versus('sha1'),
      s3TwoProcessesVsOne: samples.speedRatio(nameOf(2, SHARE), nameOf(1, SHARE)),
      s3TwoProcessesVsOneFullMachine: samples.speedRatio(nameOf(2), nameOf(1)),
      s3TwoProcessesCpuVsOne: samples.cpuRatio(nameOf(2, SHARE), nameOf(1, SHARE)),
    },
    notes,
  };
}

/** @param {number} count @param {number} [share] */
function nameOf(count, share) {
  const limit = share === undefined ? '' : `, ${share * 100}% of the time${count === 1 ? '' : ' each'}`;
  return `${count === 1 ? 'one server' : 'two servers'} sha1 to an S3 sink${limit}`;
}

/**
 * CPU and memory are the servers'. One server, what sends to it and what it sends to keep two processors busy between them: a
 * second server finds nothing left of such a machine. So there are runs in which each server may run for a share of the time
 * only, as on a machine of its own, and no two of them do at once.
 *
 * @param {string} endpoint
 * @param {number} count
 * @param {string} kind
 * @param {string} name
 * @param {number} sizeBytes
 * @param {number} [share]
 */
async function throughServers(endpoint, count, kind, name, sizeBytes, share) {
  const store = { endpoint, bucket: CEPH_BUCKET, prefix: name };
  const servers = await Promise.all(
    Array.from({ length: count }, () => startService('servers/main.js', { kind: 's3', store })),
  );
  try {
    const ports = servers.map(({ ready }) => ready.port);
    const job = { port: ports[0], ports, kind, sliceSizeBytes: PART_BYTES, connections: CONNECTIONS };
    await runJob('servers/load.js', { ...job, name: `${name}-warm-up.bin`, sizeBytes: sizeBytes / 4 });
    await Promise.all(servers.map((server) => server.ask({ type: 'start' })));
    const release =
      share === undefined
        ? undefined
        : limitShare(
            servers.map(({ pid }) => pid),
            share,
          );
    const { wallMs } = await runJob('servers/load.js', { ...job, name: `${name}.bin`, sizeBytes }).finally(release);
    const used = await Promise.all(servers.map((server) => server.ask({ type: 'stop' })));
    const sum = (/** @type {'cpuMs' | 'rssGrowthMiB'} */ what) => used.reduce((total, one) => total + one[what], 0);
    return { wallMs, cpuMs: sum('cpuMs'), rssGrowthMiB: sum('rssGrowthMiB') };
  } finally {
    await Promise.all(servers.map((server) => server.stop()));
  }
}
