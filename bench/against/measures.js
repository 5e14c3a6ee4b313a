// @ts-check
// What is compared: costs, of which less is better.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runJob, startService } from '../lib/child.js';
import { MIB } from '../lib/options.js';
import { makeSmallFiles, makeTestFile } from '../lib/test-file.js';

/** @import { Context } from '../lib/context.js' */
/** @import { Version } from './version.js' */

const CONNECTIONS = 4;
const WARM_UP_BYTES = 64 * MIB;
const TIB = 1024 ** 4;

/**
 * @typedef {object} Measure
 * @property {string} section
 * @property {string} name
 * @property {string} file Of the benchmarks: a version without it cannot be compared.
 * @property {(version: Version) => Promise<Record<string, number>>} run Costs by their names.
 */

/**
 * @param {Context} context
 * @returns {Promise<{ measures: Measure[], close(): Promise<void> }>}
 */
export async function createMeasures({ options, dir }) {
  const sinks = await startService('sinks/main.js');
  const file = await makeTestFile(join(dir, 'against.bin'), options.sizeBytes);
  const small = await makeSmallFiles(join(dir, 'against-small'), options.smallFiles);
  let servers = 0;

  /** @template T @param {Version} version @param {(server: import('../lib/child.js').Service) => Promise<T>} use */
  const withServer = async ({ bench }, use) => {
    const store = join(dir, `against-store-${servers++}`);
    await mkdir(store);
    const server = await startService('servers/main.js', { kind: 'cos-slice', dir: store }, { bench });
    try {
      return await use(server);
    } finally {
      await server.stop();
      await rm(store, { recursive: true, force: true });
    }
  };

  /** @param {'none' | 'md5' | 'sha1'} variant @returns {Measure} */
  const client = (variant) => ({
    section: 'node',
    name: `Node client ${variant}`,
    file: 'clients/main.js',
    async run({ bench }) {
      const job = { client: 'cos-slice', variant, port: sinks.ready.ports.json, file, sizeBytes: options.sizeBytes };
      const more = { sliceSizeBytes: MIB, concurrency: CONNECTIONS, stateDir: join(dir, 'state') };
      const { wallMs, cpuMs } = await runJob('clients/main.js', { ...job, ...more }, { bench });
      return { ms: wallMs, 'CPU ms': cpuMs };
    },
  });

  /** @param {'none' | 'md5' | 'sha1'} kind @returns {Measure} */
  const server = (kind) => ({
    section: 'server',
    name: `server ${kind}`,
    file: 'servers/main.js',
    run: (version) =>
      withServer(version, async (server) => {
        const job = { port: server.ready.port, kind, sliceSizeBytes: MIB, connections: CONNECTIONS };
        await runJob('servers/load.js', { ...job, name: 'warm-up.bin', sizeBytes: WARM_UP_BYTES });
        await server.ask({ type: 'start' });
        const { wallMs } = await runJob('servers/load.js', {
          ...job,
          name: 'load.bin',
          sizeBytes: options.diskSizeBytes,
        });
        return { ms: wallMs, 'CPU ms': (await server.ask({ type: 'stop' })).cpuMs };
      }),
  });

  /** @param {string} name @param {object} job @param {Record<string, string>} costs @returns {Measure} */
  const growth = (name, job, costs) => ({
    section: 'growth',
    name,
    file: 'growth/main.js',
    async run({ bench }) {
      const result = await runJob('growth/main.js', job, { bench, nodeOptions: ['--expose-gc'] });
      return Object.fromEntries(Object.entries(costs).map(([key, unit]) => [unit, result[key]]));
    },
  });

  return {
    measures: [
      client('none'),
      client('md5'),
      client('sha1'),
      server('none'),
      server('sha1'),
      {
        section: 'small',
        name: `${options.smallFiles} small files`,
        file: 'small/main.js',
        run: (version) =>
          withServer(version, async ({ ready: { port } }) => {
            const job = {
              client: 'cos-slice',
              port,
              dir: small,
              to: 'small',
              atOnce: 16,
              stateDir: join(dir, 'state'),
            };
            const { wallMs, cpuMs } = await runJob('small/main.js', job, { bench: version.bench });
            return { ms: wallMs, 'CPU ms': cpuMs };
          }),
      },
      growth('plan of 1 TiB', { kind: 'plan', sizeBytes: TIB }, { micros: 'µs per slice', stateMiB: 'MiB' }),
      growth(
        'driver, 100 uploads',
        { kind: 'uploads', uploads: 100, requests: 30_000 },
        { microsPerRequest: 'µs per request', heapKiBPerUpload: 'KiB per upload' },
      ),
      growth('resume of a million slices', { kind: 'resume', slices: 1_000_000 }, { seconds: 's' }),
    ],
    close: () => sinks.stop(),
  };
}
