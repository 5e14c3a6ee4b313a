import { link, lstat, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type ObjectLabels, type ObjectProperties, StoreError, type Target } from '../store.ts';
import { hasCode, ifPresent, NO_LINKS } from './fs-errors.ts';
import {
  createJson,
  hasFields,
  isOriginOrNothing,
  isText,
  isTextOrNothing,
  isTextsOrNothing,
  readJson,
  writeJson,
} from './json-file.ts';
import type { Layout } from './layout.ts';
import { type FileFacts, revisionOf } from './revision.js';
import { syncDirectories } from './sync.ts';

/** Labels, the revision of the file they are for, and the path that it was put at. */
type Entry = ObjectLabels & { readonly revision: string; readonly path?: string };

/**
 * What is known about objects beyond their bytes, a small file each. It lists labels by the revision they belong to, so
 * that a file and its labels change in one step, which is the file's: the next ones are written beside those of the file
 * that still stands, and whoever reads takes the ones of the file that is there. Several processes may write the list at a time:
 * each keeps what the others have put on it.
 */
export interface Labels {
  /**
   * The labels of the file with these facts. They are certain unless only its size and time speak for them, as with
   * files that were moved to another disk together with the root.
   */
  of(target: Target, facts: FileFacts): Promise<{ labels: ObjectLabels; isCertain: boolean }>;
  /**
   * Writes labels for a file that is about to take the place of the one that stands there. Who may read it stays as it is unless
   * they say so: what was private must not become public because somebody sent a newer version.
   *
   * @returns `replaced`: the labels of the file that stands there
   */
  prepare(
    target: Target,
    facts: FileFacts,
    labels: ObjectLabels,
    standing: FileFacts | undefined,
  ): Promise<{
    replaced: ObjectLabels | undefined;
    /** Once the file is in place. Answers the labels as they are then. */
    settle(): Promise<ObjectLabels>;
  }>;
  /** Changes what is said of the file that stands there. Answers all that is. */
  change(target: Target, facts: FileFacts, change: ObjectProperties): Promise<ObjectLabels>;
  /** Makes the labels at one target those at another, too. */
  share(from: Target, to: Target): Promise<void>;
  /** Once the file with these facts has gone from one to the other: another process may have written since they were shared. */
  follow(from: Target, to: Target, facts: FileFacts): Promise<void>;
  /** Whether there are labels for anything that is there, or was. */
  has(target: Target): Promise<boolean>;
  /** And that its content is there. */
  forget(target: Target): Promise<void>;
  /** With fsync, forces what was shared or forgotten to the disk. */
  sync(): Promise<void>;
  /** Where an object with this content may be found, in the target's bucket. */
  holderOf(target: Target, sha: string): Promise<Target | undefined>;
  /** Takes note that the target has this content, once its labels say so. */
  noteHolder(target: Target, sha: string): Promise<void>;
  /** Takes note that it has not any more, so that no note outlives the content. */
  forgetHolder(target: Target, sha: string): Promise<void>;
}

/** Those of the file that stands there, of the one that comes, and of what other processes are about to put there. */
const MAX_ENTRIES = 4;
/** As many times other processes may be faster. */
const ATTEMPTS = 20;

export function createLabels(layout: Layout, fsync: boolean): Labels {
  const read = async (target: Target) => (await readJson(layout.labelsPath(target), isEntries)) ?? [];
  const factsOf = (target: Target) => ifPresent(lstat(layout.labelsPath(target), { bigint: true }));

  async function entryOf(target: Target, facts: FileFacts): Promise<Entry | undefined> {
    return entryIn(await read(target), facts);
  }

  /** Puts an entry made of what is on the list at its head, in place of that of its revision. */
  async function write(target: Target, make: (entries: readonly Entry[]) => Entry): Promise<Entry> {
    const path = layout.labelsPath(target);
    const version = async () => {
      const facts = await factsOf(target);
      return facts && revisionOf(facts);
    };
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const before = await version();
      const entries = await read(target);
      const entry = make(entries);
      const next = [entry, ...entries.filter(({ revision }) => revision !== entry.revision)].slice(0, MAX_ENTRIES);
      const isLatest = async () => (await version()) === before;
      if (await writeJson(path, layout.newSpoolPath(), next, fsync, isLatest)) return entry;
    }
    throw new StoreError('busy');
  }

  async function holderOf(target: Target, sha: string): Promise<Target | undefined> {
    const note = await readJson(layout.contentPath(target, sha), isNote);
    const holder = Array.isArray(note) ? note.find((entry) => entry.sha === sha) : note;
    return holder?.path === undefined ? undefined : { ...target, path: holder.path };
  }

  /** Gives a file a second name, in place of what has that name. */
  async function share(from: string, to: string): Promise<void> {
    const temporaryPath = layout.newSpoolPath();
    try {
      await link(from, temporaryPath).catch(async (error) => {
        if (!hasCode(error, ...NO_LINKS)) throw error;
        await writeFile(temporaryPath, await readFile(from), { flush: fsync });
      });
      await rename(temporaryPath, to);
    } finally {
      // Renaming a file to another name of the same one does nothing.
      await rm(temporaryPath, { force: true });
    }
  }

  async function dropNote(target: Target, sha: string): Promise<void> {
    // Another may have come that has it, too.
    if ((await holderOf(target, sha))?.path !== target.path) return;
    await rm(layout.contentPath(target, sha), { force: true });
  }

  return {
    async of(target, facts) {
      const entry = await entryOf(target, facts);
      return { labels: entry ?? {}, isCertain: entry?.revision === revisionOf(facts) };
    },
    async prepare(target, facts, labels, standing) {
      const keptIn = (entries: readonly Entry[]) => standing && entryIn(entries, standing);
      const make = (entries: readonly Entry[]): Entry => ({
        ...labels,
        authority: labels.authority ?? keptIn(entries)?.authority,
        revision: revisionOf(facts),
        path: target.path,
      });
      const fresh = make([]);
      // Labels of what is not there yet are read by nobody before they are whole.
      const isNew = standing === undefined && (await createJson(layout.labelsPath(target), [fresh], fsync));
      if (isNew) return { replaced: undefined, settle: async () => fresh };
      let replaced: Entry | undefined;
      const own = await write(target, (entries) => {
        replaced = keptIn(entries);
        return make(entries);
      });
      const ownIn = (entries: readonly Entry[]) => entries.find(({ revision }) => revision === own.revision);
      const authorityIn = (entries: readonly Entry[]) =>
        labels.authority ?? keptIn(entries)?.authority ?? own.authority;
      return {
        replaced,
        async settle() {
          const entries = await read(target);
          const now = ownIn(entries);
          // Who may read what it has replaced can have changed until then, and its own entry may have been written over.
          if (now && (now.authority !== own.authority || authorityIn(entries) === own.authority)) return now;
          return write(target, (latest) => ({ ...(ownIn(latest) ?? own), authority: authorityIn(latest) }));
        },
      };
    },
    change: (target, facts, change) =>
      write(target, (entries) => {
        // With the revision it has: what is uncertain of it stays so.
        const entry = entryIn(entries, facts) ?? { revision: revisionOf(facts) };
        return { ...entry, ...change };
      }),
    share: (from, to) => ifPresent(share(layout.labelsPath(from), layout.labelsPath(to))),
    async follow(from, to, facts) {
      const [left, taken] = await Promise.all([factsOf(from), factsOf(to)]);
      // Nearly always it still is the very file that was shared.
      if (!left || left.ino === taken?.ino || !(await entryOf(from, facts))) return;
      if (taken && left.mtimeNs <= taken.mtimeNs && (await entryOf(to, facts))) return;
      await share(layout.labelsPath(from), layout.labelsPath(to));
    },
    has: async (target) => (await ifPresent(stat(layout.labelsPath(target)))) !== undefined,
    async forget(target) {
      for (const { sha } of (await readJson(layout.labelsPath(target), isEntries)) ?? []) {
        if (sha !== undefined) await dropNote(target, sha);
      }
      await rm(layout.labelsPath(target), { force: true });
    },
    async sync() {
      if (fsync) await syncDirectories(layout.objects, layout.content);
    },
    holderOf,
    async forgetHolder(target, sha) {
      await dropNote(target, sha);
      if (fsync) await syncDirectories(layout.content);
    },
    async noteHolder(target, sha) {
      const labelsPath = layout.labelsPath(target);
      const notePath = layout.contentPath(target, sha);
      // The labels say it all, and a second name for them costs no file.
      await link(labelsPath, notePath).catch((error) => {
        if (!hasCode(error, 'EEXIST', ...NO_LINKS)) throw error;
        return share(labelsPath, notePath);
      });
      if (fsync) await syncDirectories(dirname(notePath));
    },
  };
}

function entryIn(entries: readonly Entry[], facts: FileFacts): Entry | undefined {
  const own = revisionOf(facts);
  return entries.find(({ revision }) => revision === own) ?? entries.find((entry) => isMoved(entry, facts));
}

const SECOND_NS = 1_000_000_000n;

/** A copy elsewhere has another inode number, and some ways of copying keep the time in whole seconds. */
function isMoved({ revision }: Entry, { size, mtimeNs }: FileFacts): boolean {
  const [knownSize = '', knownTime = ''] = revision.split('-');
  if (knownSize !== size.toString(36)) return false;
  if (knownTime === mtimeNs.toString(36)) return true;
  return mtimeNs % SECOND_NS === 0n && parseBase36(knownTime) / SECOND_NS === mtimeNs / SECOND_NS;
}

function parseBase36(digits: string): bigint {
  return [...digits].reduce((value, digit) => value * 36n + BigInt(Number.parseInt(digit, 36) || 0), 0n);
}

function isEntries(value: unknown): value is Entry[] {
  const checks = {
    revision: isText,
    sha: isTextOrNothing,
    session: isTextOrNothing,
    signedBy: isTextOrNothing,
    attributes: isTextOrNothing,
    authority: isTextOrNothing,
    headers: isTextsOrNothing,
    origin: isOriginOrNothing,
    path: isTextOrNothing,
  };
  return Array.isArray(value) && value.every((entry) => hasFields(entry, checks));
}

/** The labels of the object that has the content; notes used to be its path alone. */
function isNote(value: unknown): value is readonly Entry[] | { readonly path: string } {
  return isEntries(value) || hasFields(value, { path: isText });
}
