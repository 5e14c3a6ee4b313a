import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { watchDisk } from '../../testing/disk.ts';
import { temporaryDir } from '../../testing/server.ts';
import type { ObjectLabels, Store, Target } from '../store.ts';
import { fileStore } from './file-store.ts';
import { createMoves } from './moves.ts';

const at = (path: string): Target => ({ appId: '1', bucket: 'b', path });

async function put(store: Store, path: string, text: string, labels: ObjectLabels = {}): Promise<void> {
  const spool = await store.createSpool();
  await spool.write(Buffer.from(text));
  await store.putObject(at(path), spool, labels, true);
}

/** A store whose move of `from` to `to` can be stopped right before and right after its one step, and one that changes things. */
async function setUp(who: 'this process' | 'another process' = 'this process') {
  const root = await temporaryDir();
  const store = fileStore(root);
  const changer = who === 'this process' ? store : fileStore(root);
  await put(store, 'from/x', 'old', { attributes: 'old' });
  await store.describeObject(at('from/x'), { authority: 'eWRPrivate' });
  const disk = await watchDisk(root);

  /** Moves the directory, and lets the others act in the middle of it for as long as they can. */
  async function moveWhile(when: 'before' | 'after', act: () => Promise<unknown>): Promise<void> {
    let acting: Promise<unknown> | undefined;
    let isRenamed = false;
    disk.before = async (call) => {
      const isNow = when === 'before' ? call.path === `${root}/1/b/from` : isRenamed;
      isRenamed ||= call.name === 'rename' && call.path === `${root}/1/b/from`;
      if (!isNow || acting) return;
      acting = act();
      const acted = acting.catch(() => {});
      // In this process they may have to wait for the move.
      await (who === 'this process' ? Promise.race([acted, sleep(200)]) : acted);
    };
    expect(await store.directories.move(at('from'), at('to'), 'me')).toBe(true);
    disk.before = () => {};
    expect(acting).toBeDefined();
    await acting;
  }
  return { root, store, changer, moveWhile };
}

describe.each(['this process', 'another process'] as const)('while a directory is moved, in %s', (who) => {
  test('an object that is replaced in it stays private, and keeps what is said of it', async () => {
    const { store, changer, moveWhile } = await setUp(who);
    await moveWhile('before', () => put(changer, 'from/x', 'newer', { attributes: 'newer', session: 's' }));
    const moved = await store.statObject(at('to/x'));
    const left = await store.statObject(at('from/x'));
    expect(moved?.authority).toBe('eWRPrivate');
    const newer = moved?.sizeBytes === 5 ? moved : left;
    expect(newer).toMatchObject({ sizeBytes: 5, attributes: 'newer', session: 's' });
  });

  test('an update of an object in it is not lost, or tells of no success', async () => {
    const { store, changer, moveWhile } = await setUp(who);
    let told: unknown;
    await moveWhile('before', async () => {
      told = await changer.describeObject(at('from/x'), { attributes: 'new' });
    });
    expect((await store.statObject(at('to/x')))?.attributes).toBe(told ? 'new' : 'old');
  });

  test('an object that comes to its old place keeps what is said of it', async () => {
    const { store, changer, moveWhile } = await setUp(who);
    await moveWhile('after', () => put(changer, 'from/x', 'second', { attributes: 'second' }));
    expect(await store.statObject(at('from/x'))).toMatchObject({ sizeBytes: 6, attributes: 'second' });
    expect(await store.statObject(at('to/x'))).toMatchObject({ attributes: 'old', authority: 'eWRPrivate' });
  });

  test('an object that comes to its new place is not taken for one that was moved there', async () => {
    const { store, changer, moveWhile } = await setUp(who);
    await moveWhile('before', async () => {
      await put(changer, 'to/x', 'passing');
      await changer.deleteObject(at('to/x'));
    });
    const moved = await store.statObject(at('to/x'));
    // Whoever came later has deleted what was moved there.
    if (moved) expect(moved).toMatchObject({ attributes: 'old', authority: 'eWRPrivate' });
  });

  test('a directory that is created in it is there, here or there', async () => {
    const { store, changer, moveWhile } = await setUp(who);
    await moveWhile('before', () => changer.directories.create(at('from/made'), { attributes: 'made' }));
    const [moved, left] = [await store.directories.stat(at('to/made')), await store.directories.stat(at('from/made'))];
    expect(moved ?? left).toMatchObject({ isCreated: true, attributes: 'made' });
  });
});

test.runIf(process.platform === 'linux')(
  'a directory is moved whatever another tool has put in it, under whatever name',
  async () => {
    const { root, store } = await setUp();
    const odd = Buffer.concat([Buffer.from(`${root}/1/b/from/`), Buffer.from([0xe9])]);
    await mkdir(odd);
    await writeFile(Buffer.concat([odd, Buffer.from('/file')]), 'x');
    await writeFile(`${root}/1/b/from/a\nb`, 'x');
    expect(await store.directories.move(at('from'), at('to'), 'me')).toBe(true);
    expect(await store.statObject(at('to/x'))).toMatchObject({ attributes: 'old', authority: 'eWRPrivate' });
    expect(await readdir(`${root}/1/b`)).toEqual(['to']);
    expect(await readdir(`${root}/1/b/to`)).toHaveLength(3);
  },
);

describe('moves and changes', () => {
  /** Says when each has begun, and ends each when it is told to. */
  function setUpTasks(patienceMs?: number) {
    const moves = createMoves(patienceMs);
    const begun: string[] = [];
    const end = new Map<string, () => void>();
    const run = (kind: 'move' | 'change', ...paths: string[]) =>
      moves[kind](paths.map(at), () => {
        begun.push(paths.join());
        return new Promise<void>((resolve) => end.set(paths.join(), resolve));
      });
    return { begun, end, run };
  }

  test('take turns where they are in each other, in the order in which they came', async () => {
    const { begun, end, run } = setUpTasks();
    const change = run('change', 'a/b/x');
    const move = run('move', 'a/b', 'c');
    const later = [run('change', 'a/b/y'), run('change', 'c'), run('move', 'c/d', 'e')];
    const apart = [run('change', 'a/bc'), run('change', 'd'), run('change', 'a/b/x/z').catch(() => {})];
    await sleep(0);
    expect(begun).toEqual(['a/b/x', 'a/bc', 'd']);
    end.get('a/b/x')?.();
    await change;
    await sleep(0);
    expect(begun.slice(3)).toEqual(['a/b,c']);
    end.get('a/b,c')?.();
    await move;
    await sleep(0);
    expect(begun.slice(4)).toEqual(['a/b/y', 'c', 'a/b/x/z']);
    for (const each of ['a/b/y', 'c', 'a/bc', 'd', 'a/b/x/z']) end.get(each)?.();
    await Promise.all(apart);
    await sleep(0);
    end.get('c/d,e')?.();
    await Promise.all(later);
  });

  test('do not wait longer than clients do', async () => {
    const { begun, end, run } = setUpTasks(20);
    const move = run('move', 'a', 'b');
    await expect(run('change', 'a/x')).rejects.toMatchObject({ problem: 'busy' });
    end.get('a,b')?.();
    await move;
    const change = run('change', 'a/x');
    end.get('a/x')?.();
    await change;
    expect(begun).toEqual(['a,b', 'a/x']);
  });
});
