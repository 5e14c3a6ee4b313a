import { mkdtempSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileStore } from '../../../../packages/server/src/store/files/file-store.ts';
import type { Store } from '../../../../packages/server/src/store/store.ts';
import type { Cloud, CloudEntry } from '../../../../packages/server/src/testing/cloud.ts';
import { cloudStore } from '../../../../packages/server/src/testing/cloud-store.ts';

/** A store for one input, and what is in it for clients: paths below the application, and what tells their content. */
export interface Place {
  readonly store: Store;
  look(): Promise<ReadonlyMap<string, string>>;
  clear(): Promise<void>;
}

const OBJECTS = { 'demobucket/a': 'content of a', 'demobucket/dir/b': 'b', 'other/a': 'of another bucket' };

export async function inMemory(): Promise<Place> {
  const entries = new Map<string, CloudEntry>();
  const cloud: Cloud = {
    get: async (key) => entries.get(key),
    list: async (prefix) =>
      [...entries].filter(([key]) => key.startsWith(prefix)).map(([key, { facts }]) => ({ key, facts })),
    async update(key, change) {
      const before = entries.get(key);
      const after = change(before);
      if (after) entries.set(key, after);
      else entries.delete(key);
      return before;
    },
  };
  for (const [path, text] of Object.entries(OBJECTS)) {
    const facts = { modifiedAtMs: 1_500_000_000_000, revision: 'r1' };
    entries.set(`object/10055004/${path}`, { bytes: Buffer.from(text), facts: JSON.stringify(facts) });
  }
  return {
    store: cloudStore(cloud),
    async look() {
      const found = [...entries].flatMap(([key, { bytes, facts }]) => {
        const [, path] = /^(?:object|directory)\/10055004\/(.*)$/s.exec(key) ?? [];
        return path === undefined ? [] : [[path, `${facts}${bytes.toString('latin1')}`] as const];
      });
      return new Map(found);
    },
    clear: async () => {},
  };
}

let home: string | undefined;
let last = 0;

export async function onDisk(): Promise<Place> {
  home ??= mkdtempSync(join(tmpdir(), 'cos-slice-fuzz-'));
  const dir = join(home, String(last++), 'store');
  for (const [path, text] of Object.entries(OBJECTS)) {
    const file = join(dir, '10055004', path);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, text);
  }
  await writeFile(join(dir, '../canary'), 'x');
  return {
    store: fileStore(dir),
    async look() {
      const found = new Map<string, string>();
      const walk = async (folder: string, path: string): Promise<void> => {
        // Folders go with what was in them, a little later.
        for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
          const full = join(folder, entry.name);
          const at = path + entry.name;
          if (at === 'store/.cos-slice') continue;
          if (entry.isDirectory()) await walk(full, `${at}/`);
          else found.set(at.replace(/^store\/10055004\//, ''), await readFile(full, 'latin1'));
        }
      };
      await walk(join(dir, '..'), '');
      return found;
    },
    clear: () => rm(join(dir, '..'), { recursive: true, force: true }),
  };
}

export async function clearDisk(): Promise<void> {
  if (home !== undefined) await rm(home, { recursive: true, force: true });
  home = undefined;
}
