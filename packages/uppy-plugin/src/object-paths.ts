/** What names and whole paths may have at most, in bytes of UTF-8. */
const NAME_BYTES = 255;
const PATH_BYTES = 1024;
/** Folders deeper than this are left out, from the top. */
const MOST_NAMES = 64;

const utf8 = new TextEncoder();
const bytesOf = (text: string): number => utf8.encode(text).length;

/**
 * A file's name or relative path as an object path that the protocol takes (section 1). What it refuses becomes an underscore:
 * `? * : | \ < > "`, control characters and halves of characters. Empty segments, `.` and `..` are left out. Names above 255
 * bytes of UTF-8, and paths above 1,024, are cut before their extension.
 */
export function fitPath(wanted: string): string {
  const names = wanted
    .replace(/[?*:|\\<>"\p{Cc}\p{Cs}]/gu, '_')
    .split('/')
    .filter((name) => name !== '' && name !== '.' && name !== '..')
    .slice(-MOST_NAMES);
  if (names.length === 0) return 'file';
  const cut = names.map((name) => fitName(name, NAME_BYTES));
  const path = cut.join('/');
  if (bytesOf(path) <= PATH_BYTES) return path;
  const share = Math.floor((PATH_BYTES - names.length) / names.length);
  return cut.map((name) => fitName(name, share)).join('/');
}

/** The same path with `-2`, `-3`, ... before its extension. */
function numbered(path: string, number: number): string {
  const start = path.lastIndexOf('/') + 1;
  const folder = path.slice(0, start);
  const roomBytes = Math.min(NAME_BYTES, PATH_BYTES - bytesOf(folder));
  return folder + fitName(path.slice(start), roomBytes, `-${number}`);
}

/** A name of at most so many bytes, with a mark before its extension. */
function fitName(name: string, maxBytes: number, mark = ''): string {
  const extension = /(?<=.)(?:\.tar)?\.[^.\s]{1,16}$/u.exec(name)?.[0] ?? '';
  const kept = bytesOf(mark + extension) < maxBytes ? mark + extension : mark;
  let roomBytes = maxBytes - bytesOf(kept);
  const stem = name.slice(0, name.length - extension.length);
  if (bytesOf(stem) <= roomBytes) return stem + kept;
  let cut = '';
  for (const character of stem) {
    roomBytes -= bytesOf(character);
    if (roomBytes < 0) break;
    cut += character;
  }
  return cut + kept;
}

/** The path that a file was given, and what it was given it for. Plain JSON: Golden Retriever keeps it with the file. */
export interface GivenPath {
  /** The file's own name or relative path, made to fit. */
  readonly wanted: string;
  readonly path: string;
}

/**
 * Gives every file of an Uppy a path of its own: the first `image.jpg` is `image.jpg`, the next one `image-2.jpg`. A file that is
 * tried again, removed and added again, or restored has the path that it had, and no other file ever gets that one.
 */
export interface ObjectPaths {
  /** Takes note of what a restored file was given in an earlier page. */
  keep(fileId: string, given: GivenPath): void;
  give(fileId: string, wanted: string): GivenPath;
}

export function createObjectPaths(): ObjectPaths {
  const given = new Map<string, GivenPath>();
  const owners = new Map<string, string>();
  /** By wanted path: the number to try next. */
  const next = new Map<string, number>();
  const put = (fileId: string, one: GivenPath): GivenPath => {
    given.set(fileId, one);
    owners.set(one.path, fileId);
    return one;
  };
  return {
    keep(fileId, one) {
      if (!given.has(fileId) && !owners.has(one.path)) put(fileId, one);
    },
    give(fileId, wanted) {
      const before = given.get(fileId);
      if (before?.wanted === wanted) return before;
      let number = next.get(wanted) ?? 1;
      let path = wanted;
      for (; ; number += 1) {
        path = number === 1 ? wanted : numbered(wanted, number);
        const owner = owners.get(path);
        if (owner === undefined || owner === fileId) break;
      }
      next.set(wanted, number + 1);
      return put(fileId, { wanted, path });
    },
  };
}
