import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { withFolder } from '@cos-slice/testkit/files';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { command, serve } from './support/command.ts';

const ROOT = new URL('../', import.meta.url);
const read = (name: string) => readFile(new URL(name, ROOT), 'utf8');
const there = (name: string) => existsSync(fileURLToPath(new URL(name, ROOT)));

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string };
}

interface Compose {
  readonly services: Record<
    string,
    {
      readonly command?: string[];
      readonly depends_on?: string[] | Record<string, unknown>;
      readonly build?: { readonly dockerfile: string };
      readonly volumes?: string[];
    }
  >;
  readonly volumes: Record<string, unknown>;
}

/** The validator that comes with a kind of object. */
type Validate = ((data: unknown) => boolean) & { readonly errors?: readonly unknown[] | null };

const GROUPS: Record<string, string> = {
  v1: 'Core',
  'apps/v1': 'Apps',
  'policy/v1': 'Policy',
  'networking.k8s.io/v1': 'Networking',
};

function validatorOf({ apiVersion, kind }: Manifest): Validate {
  const version = apiVersion.split('/').at(-1)?.replace('v', 'V');
  const require = createRequire(import.meta.url);
  // Only the models have public names, and those take what they are given apart.
  const schemas = join(dirname(require.resolve('kubernetes-models')), '_schemas');
  const name = `IoK8sApi${GROUPS[apiVersion]}${version}${kind}.js`;
  return (require(join(schemas, name)) as { validate: Validate }).validate;
}

/** The same data, which tells what nobody has asked it for. Validators ask for what they know, and let the rest be. */
function watched<T extends object>(data: T, path = ''): { readonly data: T; unread(): string[] } {
  const asked = new Set<string | symbol>();
  const inside = new Map<string, ReturnType<typeof watched>>();
  for (const [key, value] of Object.entries(data)) {
    if (typeof value === 'object' && value !== null) inside.set(key, watched(value, `${path}.${key}`));
  }
  return {
    data: new Proxy(data, {
      get(object, key) {
        asked.add(key);
        return (typeof key === 'string' && inside.get(key)?.data) || Reflect.get(object, key);
      },
    }),
    unread: () => [
      ...Object.keys(data).flatMap((key) => (asked.has(key) ? [] : [`${path}.${key}`])),
      ...[...inside].flatMap(([key, one]) => (asked.has(key) ? one.unread() : [])),
    ],
  };
}

/** The flags in a text. */
const flagsIn = (text: string) => new Set([...text.matchAll(/(?<=[\s"'])--[a-z][a-z0-9-]*/g)].map(([flag]) => flag));

describe('the manifests for Kubernetes', () => {
  let manifests: Manifest[];
  beforeAll(async () => {
    const documents = parseAllDocuments(await read('deploy/kubernetes/cos-slice.yaml'));
    expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
    manifests = documents.map((document) => document.toJS() as Manifest);
  });

  test('fit their schemas, to the last field', () => {
    expect(manifests.map(({ kind }) => kind)).toEqual([
      'Secret',
      'Deployment',
      'Service',
      'PodDisruptionBudget',
      'Ingress',
    ]);
    for (const manifest of manifests) {
      const validate = validatorOf(manifest);
      const { data, unread } = watched(manifest);
      expect(validate(data) ? [] : validate.errors, manifest.kind).toEqual([]);
      expect(unread(), manifest.kind).toEqual([]);
    }
  });

  test('would not fit them with a mistake', () => {
    const [, deployment] = structuredClone(manifests) as (Manifest & { spec: Record<string, unknown> })[];
    if (!deployment) throw new Error('there is none');
    const validate = validatorOf(deployment);
    expect(validate({ ...deployment, spec: { ...deployment.spec, replicas: 'two' } })).toBe(false);
    const { data, unread } = watched({ ...deployment, spec: { ...deployment.spec, replica: 2 } });
    validate(data);
    expect(unread()).toEqual(['.spec.replica']);
  });
});

test('the file for Compose names what is there', async () => {
  const { services, volumes } = parse(await read('deploy/compose.yaml'), { merge: true }) as Compose;
  for (const [name, service] of Object.entries(services)) {
    const needed = service.depends_on ?? [];
    for (const other of Array.isArray(needed) ? needed : Object.keys(needed)) {
      expect(Object.keys(services), name).toContain(other);
    }
    if (service.build) expect(there(service.build.dockerfile), name).toBe(true);
    for (const volume of service.volumes ?? []) {
      const source = volume.split(':')[0] ?? '';
      expect(source.startsWith('./') ? there(`deploy/${source}`) : source in volumes, volume).toBe(true);
    }
  }
  // The servers have the names that the balancer knows them by.
  const upstreams = [...(await read('deploy/nginx.conf')).matchAll(/^ {2}server ([\w-]+):9000/gm)].map(
    ([, name]) => name,
  );
  expect(upstreams).toEqual(Object.keys(services).filter((name) => name.startsWith('server-')));
});

test('what is told to run exists: flags of the command, files, metrics, addresses of probes', async () => {
  await withFolder(async (folder) => {
    const helps = ['serve', 'upload'].map((name) => command([name, '--help'], folder));
    await Promise.all(helps.map(({ ended }) => ended));
    const known = flagsIn(helps.map(({ stdout }) => stdout).join('\n'));
    expect(known.size).toBeGreaterThan(10);
    const docs = await read('docs/deploy.md');
    // What Compose tells its other programs is not ours.
    const ours = (await read('deploy/compose.yaml')).split('services:')[0] ?? '';
    const texts = [
      docs,
      ours,
      await read('deploy/kubernetes/cos-slice.yaml'),
      await read('deploy/Dockerfile').then((text) => text.slice(text.indexOf('CMD ["serve"'))),
    ];
    const used = texts.map((text) => [...flagsIn(text)].filter((flag) => !known.has(flag)));
    // Of `docker compose`, in a comment.
    expect(used).toEqual([[], ['--build'], [], []]);
    for (const [, link = ''] of docs.matchAll(/\]\((\.\.\/[^)#]+)/g)) expect(there(`docs/${link}`), link).toBe(true);

    const server = await serve(`${folder}/files`, folder, 0, ['--metrics', '127.0.0.1:0']);
    try {
      for (const path of ['/-/healthy', '/-/ready']) {
        expect(docs).toContain(path);
        expect((await fetch(new URL(path, server.endpoint))).status).toBe(200);
      }
      const [, metricsUrl = ''] = await server.printed(/metrics at (\S+)/);
      const metrics = await (await fetch(metricsUrl)).text();
      const named = new Set(docs.match(/\b(?:cos_slice|process)_[a-z_]+/g));
      expect(named.size).toBeGreaterThan(5);
      expect([...named].filter((name) => !metrics.includes(`# TYPE ${name} `))).toEqual([]);
    } finally {
      server.process.kill('SIGTERM');
      await server.ended;
    }
  });
});

test('what the README has for nginx is what the tests run', async () => {
  const [, block = ''] = /```nginx\n([\s\S]*?)```/.exec(await read('packages/server/README.md')) ?? [];
  const directives = block.split('\n').filter((line) => /^\s*[a-z_]+ .*;$/.test(line));
  expect(directives.length).toBeGreaterThan(8);
  const ran = await read('deploy/nginx.conf');
  // Where the server is, and how long reading a file may take that is on a disk.
  const own = directives.filter((line) => !/proxy_pass |proxy_read_timeout/.test(line));
  expect(own.filter((line) => !ran.includes(line.trim()))).toEqual([]);
});
