/** Room for all branches there are, and more. */
const counts = new Uint8Array(1 << 16);
const rooms = new Map<string, { readonly first: number; readonly count: number }>();
let end = 0;

/** Called by what is watched, whenever a branch of it is taken. */
export function taken(branch: number): void {
  // Past 255 nothing is learnt any more.
  if ((counts[branch] as number) < 255) counts[branch] = (counts[branch] as number) + 1;
}

/** Called by each file that is watched, when it is loaded. */
export function addBranches(file: string, first: number, count: number): void {
  rooms.set(file, { first, count });
  end = Math.max(end, first + count);
}

/** How often is told apart roughly: once, twice, thrice, up to 7, 15, 31, 127, more. */
const MAGNITUDES = Uint8Array.from({ length: 256 }, (_, count) => {
  if (count < 4) return count === 0 ? 0 : 1 << (count - 1);
  return (1 << [7, 15, 31, 127, 255].findIndex((most) => count <= most)) << 3;
});

export interface Coverage {
  /** What is taken from now on belongs to the next input. */
  begin(): void;
  /** Whether the input has gone where none has gone before, or as often. */
  isNews(): boolean;
  /** Branches that have ever been taken by an input. */
  readonly taken: number;
  /** For each file that inputs have come to: branches taken, and all that it has. */
  files(): { readonly file: string; readonly taken: number; readonly all: number }[];
}

export function createCoverage(): Coverage {
  const seen = new Uint8Array(counts.length);
  let takenCount = 0;
  return {
    begin: () => void counts.fill(0, 0, end),
    isNews() {
      let isNew = false;
      for (let branch = 0; branch < end; branch++) {
        const count = counts[branch] as number;
        if (count === 0) continue;
        const magnitude = MAGNITUDES[count] as number;
        const before = seen[branch] as number;
        if ((before & magnitude) !== 0) continue;
        if (before === 0) takenCount++;
        seen[branch] = before | magnitude;
        isNew = true;
      }
      return isNew;
    },
    get taken() {
      return takenCount;
    },
    files() {
      const told = [...rooms].map(([file, { first, count }]) => {
        const isTaken = (branch: number): boolean => seen[first + branch] !== 0;
        return { file, taken: Array.from({ length: count }, (_, branch) => branch).filter(isTaken).length, all: count };
      });
      return told.filter(({ taken: some }) => some > 0).sort((one, other) => one.file.localeCompare(other.file));
    },
  };
}
