// The guides to moving over: what they show of the vendor's client and of ours is run, and has to come to the same.
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createSliceServer, fileStore } from '@cos-slice/server';
import { makeFile } from '@cos-slice/testkit/files';
import { expect, onTestFinished, test } from 'vitest';
import { runSample, samplesOf } from './support/samples.ts';

const ACCOUNT = { appId: '10055004', secretId: 'ID', secretKey: 'KEY', buckets: ['films'] };
const GUIDE = 'docs/migrate-from-qcloud_cos_v4.md';
const KEYS = `const [secretId, secretKey] = ['${ACCOUNT.secretId}', '${ACCOUNT.secretKey}'];\n`;

interface Place {
  readonly folder: string;
  readonly port: number;
  /** What is stored, and what is said of it. */
  seen(): Promise<unknown>;
}

async function start(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'cos-slice-moving-'));
  const root = join(folder, 'store');
  await mkdir(root);
  const server = createSliceServer({ store: fileStore(root), accounts: [ACCOUNT] });
  const { port } = await server.listen();
  onTestFinished(async () => {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });
  return {
    folder,
    port,
    async seen() {
      const bucket = join(root, ACCOUNT.appId, 'films');
      const names = (await readdir(bucket, { recursive: true })).sort();
      const film = await readFile(join(bucket, '2024/film.mp4'));
      return { names, bytes: film.toString('base64') };
    },
  };
}

/** Leads the vendor's client to a server, and lets one call follow the other. */
const beforeScript = (port: number, blocks: readonly string[]): string => `
  const http = require('node:http');
  const { connect } = require('node:net');
  http.globalAgent = new (class extends http.Agent {
    createConnection() { return connect(${port}, '127.0.0.1'); }
  })();
  const vendor = require(${JSON.stringify(createRequire(import.meta.url).resolve('qcloud_cos_v4'))});
  let last = Promise.resolve();
  const cos = new Proxy(vendor.cos, {
    get: (all, name) => (...args) => {
      const told = args.pop();
      last = last.then(() => new Promise((resolve) => all[name](...args, (reply) => resolve(told(reply)))));
    },
  });
  const called = { cos, conf: vendor.conf };
  ${KEYS}
  ${blocks
    .map((block) => `{ ${block.replace("require('qcloud_cos_v4')", 'called')} }`)
    .join('\n')
    .replace('const { cos, conf } = called;', 'const { conf } = called;')}
  last.then(() => process.exit());
`;

test(`${GUIDE}: both columns of code do the same`, async () => {
  const samples = await samplesOf(GUIDE);
  const blocks = (label: string): string[] => samples.filter((one) => one.label === label).map(({ code }) => code);
  const [before, after] = [await start(), await start()];
  await makeFile(join(before.folder, 'film.mp4'), 3_000_001);
  await runSample(
    `require('node:fs').copyFileSync(${JSON.stringify(join(before.folder, 'film.mp4'))}, 'film.mp4');`,
    after.folder,
    {},
    'copy.cjs',
  );

  const saidBefore = await runSample(beforeScript(before.port, blocks('before')), before.folder, {}, 'before.cjs');
  const [setup = '', ...calls] = blocks('after');
  const ours = [KEYS, setup, ...calls.map((block) => `{\n${block}}`)].join('\n');
  const here = `'http://127.0.0.1:${after.port}/files/v2'`;
  const saidAfter = await runSample(ours.replace("cosEndpoint('sh')", here), after.folder);

  expect(await after.seen()).toEqual(await before.seen());
  for (const said of [saidBefore, saidAfter]) {
    expect(said).toContain('/2024/film.mp4');
    expect(said).toContain('it is there already');
  }
  expect(saidBefore.match(/^-\d+$/gm), 'codes of failures').toBeNull();
});

test(`${GUIDE} has every call that the vendor's client has`, async () => {
  const vendor = createRequire(import.meta.url)('qcloud_cos_v4') as Record<string, object>;
  const before = (await samplesOf(GUIDE))
    .filter(({ label }) => label === 'before')
    .map(({ code }) => code)
    .join('');
  for (const name of Object.keys(vendor.cos ?? {})) expect(before).toContain(`cos.${name}(`);
});
