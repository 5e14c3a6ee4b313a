import type { Disk, Inode } from '@cos-slice/testkit/simulated/disk';
import { ACCOUNT, BUCKET, ROOT } from '../names.ts';
import type { UploadPlan } from '../scenario.ts';
import type { World } from '../world/world.ts';

/** What has been at a path from some time on: one of the contents that are expected there, by number, or nothing. */
interface Sight {
  readonly atMs: number;
  readonly content: number | undefined;
}

interface Place {
  readonly contents: Buffer[];
  readonly sights: Sight[];
  mayBeReplaced: boolean;
  /** The sight that somebody was told is stored: nothing older may ever be seen again. */
  promised: number;
}

/**
 * What may be seen at the paths of a world: whole contents that somebody has sent there and nothing else, ever; what was told to
 * be stored stays, unless somebody who may has replaced it.
 */
export interface ObjectRules {
  /** Somebody will send this. */
  expect(path: string, content: Buffer, mayReplace: boolean): void;
  seen(path: string, bytes: Buffer | undefined): void;
  /** An upload was told that its content is stored. */
  promised(upload: UploadPlan, content: Buffer, sinceMs: number): void;
  /** Somebody has downloaded this, having asked at that time. */
  downloaded(path: string, bytes: Buffer | undefined, askedAtMs: number): void;
  /** The disk has lost what was not forced: looks at what is there now. */
  lookAgain(read: (path: string) => Buffer | undefined): void;
  /** Whether anything has ever been seen there. */
  hasBeenSeen(path: string): boolean;
}

export function createObjectRules(world: World): ObjectRules {
  const places = new Map<string, Place>();
  const placeOf = (path: string): Place => {
    const place = places.get(path) ?? { contents: [], sights: [], mayBeReplaced: false, promised: -1 };
    places.set(path, place);
    return place;
  };
  const numberOf = ({ contents }: Place, bytes: Buffer): number =>
    contents.findIndex((content) => content.equals(bytes));

  function look(path: string, bytes: Buffer | undefined): Sight {
    const place = placeOf(path);
    const content = bytes && numberOf(place, bytes);
    if (content === -1) world.complain(`half an object, or another one, is seen at ${path}: ${bytes?.length} bytes`);
    const sight = { atMs: world.nowMs, content };
    place.sights.push(sight);
    return sight;
  }

  return {
    expect(path, content, mayReplace) {
      const place = placeOf(path);
      place.mayBeReplaced ||= mayReplace;
      if (numberOf(place, content) < 0) place.contents.push(content);
    },
    seen(path, bytes) {
      const place = placeOf(path);
      const before = place.sights.at(-1)?.content;
      const { content } = look(path, bytes);
      if (before === undefined || content === before) return;
      if (content === undefined) world.complain(`the object at ${path} is gone`);
      else if (!place.mayBeReplaced) world.complain(`the object at ${path} was replaced, which nobody may`);
    },
    promised({ name, path }, bytes, sinceMs) {
      const place = placeOf(path);
      const content = numberOf(place, bytes);
      const found = place.sights.findLastIndex(
        (sight, index) =>
          sight.content === content && (place.sights[index + 1]?.atMs ?? Number.POSITIVE_INFINITY) >= sinceMs,
      );
      if (found < 0) world.complain(`${name} was told that its content is stored at ${path}, and it is not`);
      place.promised = Math.max(place.promised, found);
    },
    downloaded(path, bytes, askedAtMs) {
      const { sights } = placeOf(path);
      const place = placeOf(path);
      const from = sights.findLastIndex(({ atMs }) => atMs <= askedAtMs);
      const possible = [from < 0 ? undefined : sights[from]?.content, ...sights.slice(from + 1).map((s) => s.content)];
      if (!possible.includes(bytes && numberOf(place, bytes))) {
        world.complain(`a download from ${path} got what was not there: ${bytes?.length ?? 'no'} bytes`);
      }
    },
    lookAgain(read) {
      for (const [path, place] of places) {
        const possible = place.sights.slice(Math.max(0, place.promised)).map(({ content }) => content);
        const { content } = look(path, read(path));
        const isKept = content === undefined ? place.promised < 0 : possible.includes(content);
        if (!isKept)
          world.complain(`the power failed, and what was told to be stored at ${path} is not there any more`);
        if (place.promised >= 0) place.promised = place.sights.length - 1;
      }
    },
    hasBeenSeen: (path) => placeOf(path).sights.some(({ content }) => content !== undefined),
  };
}

const OBJECTS = `${ROOT}/${ACCOUNT.appId}/${BUCKET}/`;

/** Has the rules see what becomes of the objects on a disk. */
export function watchDiskObjects(world: World, disk: Disk, rules: ObjectRules): void {
  const visible = new Map<string, Inode>();
  disk.observer = {
    renamed(path, _before, after) {
      if (!path.startsWith(OBJECTS) || path.includes('/.cos-slice-')) return;
      const object = path.slice(OBJECTS.length);
      if (after?.isDirectory || (!after && !visible.has(path))) return;
      if (after) visible.set(path, after);
      else visible.delete(path);
      rules.seen(object, after?.bytes);
    },
    written(file) {
      for (const [path, inode] of visible) {
        if (inode === file) world.complain(`the object at ${path} is written to in place`);
      }
    },
  };
}

export function readDiskObject(disk: Disk, path: string): Buffer | undefined {
  const inode = disk.find(OBJECTS + path);
  return inode?.isDirectory ? undefined : inode?.bytes;
}
