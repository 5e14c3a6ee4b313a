import type { UploadSnapshot } from '@cos-slice/browser';
import type { Body, Meta, UnknownPlugin, Uppy } from '@uppy/core';
import type { StatusKey } from './locale.ts';

/** What the uploads of an Uppy are doing, where its own "Uploading" does not say it. */
export interface Status {
  readonly key: StatusKey;
  /** Whole percent of what is being hashed. */
  readonly percent: number;
}

/** @returns undefined while bytes are on their way, or when nothing runs */
export function statusOf(snapshots: Iterable<UploadSnapshot>): Status | undefined {
  const running = [...snapshots].filter(({ paused, phase, waitingFor }) => {
    return !paused && waitingFor !== 'place' && !isOver(phase);
  });
  const keys = new Set(running.map(keyOf));
  if (keys.has(undefined)) return undefined;
  const key = ORDER.find((one) => keys.has(one));
  if (!key) return undefined;
  const hashing = running.filter(({ phase }) => phase === 'hashing').map(({ progress }) => progress);
  const sum = (of: 'hashedBytes' | 'sizeBytes'): number => hashing.reduce((bytes, one) => bytes + one[of], 0);
  return { key, percent: Math.floor((100 * sum('hashedBytes')) / Math.max(1, sum('sizeBytes'))) };
}

/** Of several things being done, the one that the user can do most about comes first. */
const ORDER: readonly StatusKey[] = ['statusWaitingForNetwork', 'statusRetrying', 'statusHashing', 'statusFinishing'];

function keyOf({ phase, waitingFor, progress }: UploadSnapshot): StatusKey | undefined {
  if (progress.slices.inFlight > 0) return undefined;
  if (waitingFor === 'network') return 'statusWaitingForNetwork';
  if (waitingFor === 'retry') return 'statusRetrying';
  if (phase === 'hashing') return 'statusHashing';
  return phase === 'finishing' ? 'statusFinishing' : undefined;
}

function isOver(phase: UploadSnapshot['phase']): boolean {
  return phase === 'done' || phase === 'failed' || phase === 'cancelled';
}

/** The word that the Dashboard and Uppy's status bars begin with while files are uploaded. */
const WORD = 'uploading';

/** Says in the status bars of an Uppy what its uploads are doing. */
export interface StatusLine {
  /** @param text undefined: what the bars say by themselves */
  show(text: string | undefined): void;
}

interface Locale {
  readonly strings: Readonly<Record<string, unknown>>;
}

/** How a bar's locale was before, and what it was replaced by. */
interface Replaced {
  readonly own: Locale | undefined;
  readonly by: Locale;
}

/**
 * Uppy's bars have no place for what an uploader wants to say, but each takes its words from its `locale` option, which can be
 * changed at any time.
 */
export function createStatusLine<M extends Meta, B extends Body>(uppy: Uppy<M, B>): StatusLine {
  const replaced = new WeakMap<object, Replaced>();
  const showIn = (bar: UnknownPlugin<M, B>, text: string | undefined): void => {
    const now: Locale | undefined = bar.opts.locale;
    const before = replaced.get(bar);
    // Whoever has set a locale of their own meanwhile is not overruled.
    const isOurs = before !== undefined && before.by === now;
    if (isOurs ? before.by.strings[WORD] === text : text === undefined) return;
    const own = isOurs ? before.own : now;
    if (text === undefined) return bar.setOptions({ locale: own });
    const by: Locale = { ...own, strings: { ...own?.strings, [WORD]: text } };
    replaced.set(bar, { own, by });
    bar.setOptions({ locale: by });
  };
  return {
    show(text) {
      uppy.iteratePlugins((plugin) => {
        if (plugin.defaultLocale?.strings[WORD] !== undefined) showIn(plugin, text);
      });
    },
  };
}
