import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ResumeRecord } from '@cos-slice/core';
import { resumeStoreContract } from '@cos-slice/core/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { createFileResumeStore } from './resume-store.ts';

const KEY = 'http://127.0.0.1/files/v2/1/b/a.bin';
const DAY_MS = 24 * 3600 * 1000;
let root: string;
let dir: string;
let dirs = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cos-slice-'));
});
afterAll(() => rm(root, { recursive: true }));
beforeEach(() => {
  dir = join(root, `${dirs++}`, 'state');
});
const record = (changes: Partial<ResumeRecord> = {}): ResumeRecord => ({
  version: 1,
  identity: 'i',
  sizeBytes: 1,
  sliceSizeBytes: 1,
  savedAtMs: Date.now(),
  ...changes,
});

describe('contract', () => {
  for (const { name, run } of resumeStoreContract) {
    test(name, () =>
      run(async () => {
        const own = join(root, `contract-${dirs++}`);
        return () => createFileResumeStore({ dir: own });
      }),
    );
  }
});

test('files are for the user only, and no part of a file is ever left', async () => {
  const store = createFileResumeStore({ dir });
  await Promise.all(Array.from({ length: 20 }, (_, n) => store.save(KEY, record({ session: `${n}` }))));
  const names = await readdir(dir);
  expect(names).toHaveLength(1);
  expect((await stat(join(dir, names[0] ?? ''))).mode & 0o777).toBe(0o600);
  expect((await stat(dir)).mode & 0o777).toBe(0o700);
});

test('a corrupt record counts as absent and is removed', async () => {
  const store = createFileResumeStore({ dir });
  await store.save(KEY, record());
  const [name = ''] = await readdir(dir);
  for (const text of ['', '{"version":1', 'null', '[]', '{"version":2}', JSON.stringify({ ...record(), hash: null })]) {
    await writeFile(join(dir, name), text);
    expect(await store.load(KEY)).toBeUndefined();
    expect(await readdir(dir)).toEqual([]);
  }
});

test.each([
  { sizeBytes: -1 },
  { sliceSizeBytes: 0 },
  { wire: 1 },
  { initCalled: 'yes' },
  { name: -1 },
  { name: 'a' },
  { hash: { hashedBytes: -1, data: '' } },
])('a record with %j counts as absent and is removed', async (damage) => {
  const store = createFileResumeStore({ dir });
  await store.save(KEY, { ...record(), ...damage } as ResumeRecord);
  expect(await store.load(KEY)).toBeUndefined();
  expect(await readdir(dir)).toEqual([]);
});

test('expired records go, the ones of other uploads by and by', async () => {
  const store = createFileResumeStore({ dir, maxAgeMs: DAY_MS });
  await store.save('old', record({ savedAtMs: Date.now() - 2 * DAY_MS }));
  await store.save('abandoned', record({ savedAtMs: Date.now() - 2 * DAY_MS }));
  for (const name of await readdir(dir)) {
    const then = new Date(Date.now() - 2 * DAY_MS);
    await utimes(join(dir, name), then, then);
  }
  await store.save('fresh', record());
  await writeFile(join(dir, 'notes.json'), 'not ours');
  const later = createFileResumeStore({ dir, maxAgeMs: DAY_MS });
  expect(await later.load('old')).toBeUndefined();
  for (let left = 50; left > 0 && (await readdir(dir)).length > 2; left -= 1) await delay(20);
  expect(await readdir(dir)).toHaveLength(2);
  expect(await later.load('fresh')).toBeDefined();
});

test.each([
  ['below a file', () => join(root, 'a-file', 'state')],
  ['below /proc, where folders can never be made', () => '/proc/cos-slice/state'],
  ['below a device', () => '/dev/null/state'],
])('a place that cannot be written makes it forgetful, and says so at once: %s', async (_where, dirOf) => {
  await writeFile(join(root, 'a-file'), '');
  const store = createFileResumeStore({ dir: dirOf() });
  await expect(store.save(KEY, record())).rejects.toThrow(/cannot be written .* not remembered/);
  expect(await store.load(KEY)).toBeUndefined();
  await store.remove(KEY);
  const unlock = await store.lock?.(KEY);
  await expect(store.lock?.(KEY)).rejects.toMatchObject({ code: 'locked' });
  await unlock?.();
  await (await store.lock?.(KEY))?.();
});

describe('locks between processes', () => {
  interface Holder {
    readonly pid: number;
    readonly held: boolean;
    kill(signal: NodeJS.Signals): Promise<void>;
  }
  /** What a process is started with to be on a file system without hard links, such as exFAT or CIFS. */
  const NO_LINKS = [
    '--import',
    `data:text/javascript,${encodeURIComponent(`
      import fs from 'node:fs/promises';
      import { syncBuiltinESMExports } from 'node:module';
      fs.link = async () => { throw Object.assign(new Error('EPERM: link'), { code: 'EPERM', syscall: 'link' }); };
      syncBuiltinESMExports();`)}`,
  ];
  /** Another process that asks for the lock and keeps it. */
  const hold = async (flags: readonly string[] = []): Promise<Holder> => {
    const script = `
      import { createFileResumeStore } from '@cos-slice/node';
      const store = createFileResumeStore({ dir: ${JSON.stringify(dir)} });
      const unlock = await store.lock(${JSON.stringify(KEY)}).catch((error) => console.log(error.code));
      if (unlock) {
        // Whoever reads the word may send the signal at once.
        process.once('SIGTERM', () => unlock().then(() => process.exit()));
        console.log('held');
        setInterval(() => {}, 1000);
      }`;
    const child = spawn(process.execPath, [...flags, '--input-type=module', '-e', script], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = await once(child.stdout, 'data');
    return {
      pid: child.pid ?? 0,
      held: String(said).trim() === 'held',
      async kill(signal) {
        child.kill(signal);
        await once(child, 'exit');
      },
    };
  };

  test('a held lock is refused with the pid, and free once released', async () => {
    const store = createFileResumeStore({ dir });
    const holder = await hold();
    await expect(store.lock?.(KEY)).rejects.toMatchObject({
      code: 'locked',
      message: expect.stringContaining(`pid ${holder.pid}`),
    });
    await holder.kill('SIGTERM');
    await (await store.lock?.(KEY))?.();
    expect(await readdir(dir)).toEqual([]);
  });

  test('the lock of a killed process is taken over at once', async () => {
    const holder = await hold();
    await holder.kill('SIGKILL');
    expect(await readdir(dir)).toHaveLength(1);
    await (await createFileResumeStore({ dir }).lock?.(KEY))?.();
    expect(await readdir(dir)).toEqual([]);
  });

  test('a file system without hard links has locks too', async () => {
    const holder = await hold(NO_LINKS);
    expect(holder.held).toBe(true);
    expect((await hold(NO_LINKS)).held).toBe(false);
    await holder.kill('SIGKILL');
    const next = await hold(NO_LINKS);
    expect(next.held).toBe(true);
    await next.kill('SIGTERM');
    expect(await readdir(dir)).toEqual([]);
  });

  test.each([
    ['with hard links', []],
    ['without hard links', NO_LINKS],
  ])('of many processes that find a dead lock at once, exactly one gets it, %s', async (_where, flags) => {
    const holder = await hold();
    await holder.kill('SIGKILL');
    const [name = ''] = await readdir(dir);
    const deadLock = await readFile(join(dir, name));
    const script = `
      import { createFileResumeStore } from '@cos-slice/node';
      const store = createFileResumeStore({ dir: ${JSON.stringify(dir)} });
      let unlock;
      process.on('message', async (message) => {
        if (message === 'lock') unlock = await store.lock(${JSON.stringify(KEY)}).catch(() => undefined);
        else await unlock?.();
        process.send(unlock !== undefined);
      });`;
    const rivals = Array.from({ length: 4 }, () =>
      spawn(process.execPath, [...flags, '--input-type=module', '-e', script], {
        cwd: import.meta.dirname,
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      }),
    );
    const all = (message: string): Promise<unknown[]> =>
      Promise.all(
        rivals.map((rival) => {
          const answer = once(rival, 'message');
          rival.send(message);
          return answer.then(([held]) => held);
        }),
      );
    const counts: number[] = [];
    for (let round = 0; round < 30; round += 1) {
      await writeFile(join(dir, name), deadLock);
      counts.push((await all('lock')).filter(Boolean).length);
      await all('unlock');
    }
    for (const rival of rivals) rival.kill();
    expect(counts).toEqual(counts.map(() => 1));
    expect(await readdir(dir)).toEqual([]);
  });

  test('a process id that was given to another process does not keep a lock', async () => {
    const holder = await hold();
    const [name = ''] = await readdir(dir);
    const lock = JSON.parse(await readFile(join(dir, name), 'utf8'));
    await writeFile(join(dir, name), JSON.stringify({ ...lock, startedAt: '1' }));
    await (await createFileResumeStore({ dir }).lock?.(KEY))?.();
    await holder.kill('SIGKILL');
  });

  describe.each([
    ['another machine', { boot: 'elsewhere', pid: 1 }],
    ['a container with process ids of its own', { pids: 'pid:[1]', pid: 1 }],
    ['an older version, which does not say where its ids count', { pids: undefined, pid: 1 }],
  ])('held on %s', (_where, foreign) => {
    const holdThere = async (): Promise<Holder> => {
      const holder = await hold();
      const [name = ''] = await readdir(dir);
      const lock = JSON.parse(await readFile(join(dir, name), 'utf8'));
      await writeFile(join(dir, name), JSON.stringify({ ...lock, ...foreign }));
      return holder;
    };

    test('a lock counts as long as its heart beats, whatever the clocks say', async () => {
      const holder = await holdThere();
      const [name = ''] = await readdir(dir);
      const long = new Date(Date.now() - DAY_MS / 2);
      await utimes(join(dir, name), long, long);
      await expect(createFileResumeStore({ dir }).lock?.(KEY)).rejects.toMatchObject({ code: 'locked' });
      await holder.kill('SIGKILL');
    });

    test('a lock that its holder lets go while it is watched is free', async () => {
      const holder = await holdThere();
      await holder.kill('SIGKILL');
      const [name = ''] = await readdir(dir);
      const locking = createFileResumeStore({ dir }).lock?.(KEY);
      // What is to become the lock is written before the one that is there is looked at.
      while ((await readdir(dir)).length === 1) await delay(1);
      await delay(200);
      await rm(join(dir, name));
      await (await locking)?.();
      expect(await readdir(dir)).toEqual([]);
    });

    test('a lock that is silent is taken over after a while, and waiting can be cancelled', async () => {
      const holder = await holdThere();
      await holder.kill('SIGKILL');
      const store = createFileResumeStore({ dir });
      await expect(store.lock?.(KEY, AbortSignal.timeout(100))).rejects.toMatchObject({ name: 'TimeoutError' });
      await (await store.lock?.(KEY))?.();
      expect(await readdir(dir)).toEqual([]);
    });
  });

  test("another hostname on this machine changes nothing: a dead process's lock is taken over at once", async () => {
    const holder = await hold();
    await holder.kill('SIGKILL');
    const [name = ''] = await readdir(dir);
    const lock = JSON.parse(await readFile(join(dir, name), 'utf8'));
    await writeFile(join(dir, name), JSON.stringify({ ...lock, host: 'pod-a' }));
    const startedAtMs = performance.now();
    await (await createFileResumeStore({ dir }).lock?.(KEY))?.();
    // One that is silent elsewhere is waited for ten seconds.
    expect(performance.now() - startedAtMs).toBeLessThan(9000);
  });

  test('a pipe in place of a lock or a record keeps nobody waiting', async () => {
    const store = createFileResumeStore({ dir });
    await store.save(KEY, record());
    const unlock = await store.lock?.(KEY);
    for (const name of await readdir(dir)) {
      await rm(join(dir, name));
      execFileSync('mkfifo', [join(dir, name)]);
    }
    expect(await store.load(KEY)).toBeUndefined();
    await unlock?.();
  });

  test('an unreadable lock is no lock', async () => {
    const holder = await hold();
    await holder.kill('SIGKILL');
    const [name = ''] = await readdir(dir);
    await writeFile(join(dir, name), '{"pid":');
    await (await createFileResumeStore({ dir }).lock?.(KEY))?.();
  });
});

describe.skipIf(process.platform === 'win32')('a user without a home', () => {
  const root = process.getuid?.() === 0;
  test.each([
    ['HOME is empty', { HOME: '' }, {}],
    ['HOME is no path', { HOME: 'home' }, {}],
    ['no list of users knows the user', {}, root ? { uid: 54_321 } : undefined],
  ] as const)('has no state folder, and uploads all the same: %s', async (_why, env, user) => {
    if (user === undefined) return;
    const script = `
      import { createFileResumeStore, defaultStateDir } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url))};
      const store = createFileResumeStore();
      const why = await store.save('key', {}).catch((error) => error.message);
      await (await store.lock('key'))();
      console.log(JSON.stringify([defaultStateDir() ?? 'none', await store.load('key') ?? 'nothing', why]));`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      cwd: '/',
      env: { ...env },
      ...user,
    });
    let said = '';
    child.stdout.on('data', (chunk) => {
      said += chunk;
    });
    await once(child, 'close');
    expect(JSON.parse(said)).toEqual(['none', 'nothing', expect.stringContaining('not remembered')]);
  });
});

test('options of the wrong type are named', () => {
  for (const options of [{ dir: 5 }, { dir: '' }, { maxAgeMs: Number.NaN }, { maxAgeMs: '7d' }]) {
    expect(() => createFileResumeStore(options as never)).toThrow(expect.objectContaining({ code: 'invalid-options' }));
  }
});
