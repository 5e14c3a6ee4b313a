import { randomBytes } from 'node:crypto';
import { link, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { hasCode, ifPresent } from './fs-errors.ts';

/** Who uses a root, as a claim says. */
interface Holder {
  readonly pid: number;
  /** When the process began, in the system's own terms: tells it from a later one that got the same number. */
  readonly startedAt: string | undefined;
  readonly claim: string;
}

/** The right to use a root, which no other process has meanwhile. */
export interface Claim {
  /** Lets go of the root, unless another store of this process has taken it over. Never fails. */
  release(): Promise<void>;
}

/**
 * Claims a root by a file in `claimsDir`. Claims are numbered, and the last one counts: taking over one whose process is gone,
 * which no crash can prevent, is making the next, and only one of several can do that. Those of this very process are taken
 * over, too. Processes that cannot see each other, such as those of two containers, must not share a root.
 *
 * @param draftPath a fresh path on the same file system
 * @throws Error that names the root and the process that uses it
 */
export async function claimRoot(root: string, claimsDir: string, draftPath: string): Promise<Claim> {
  const claim = randomBytes(12).toString('hex');
  const holder: Holder = { pid: process.pid, startedAt: (await lookUp(process.pid))?.startedAt, claim };
  const pathOf = (number: number) => join(claimsDir, `${number}.json`);
  let earlier: number[];
  let path: string;
  await writeFile(draftPath, JSON.stringify(holder));
  try {
    do {
      earlier = (await readdir(claimsDir)).map((name) => Number.parseInt(name, 10)).filter(Number.isInteger);
      const last = Math.max(0, ...earlier);
      await refuseIfHeld(root, pathOf(last));
      path = pathOf(last + 1);
    } while (!(await linkNew(draftPath, path)));
  } finally {
    await rm(draftPath, { force: true });
  }
  for (const number of earlier) await rm(pathOf(number), { force: true });
  return {
    async release() {
      const current = await readHolder(path).catch(() => undefined);
      if (current?.claim === claim) await rm(path, { force: true }).catch(() => {});
    },
  };
}

/** A link appears with all of its content, or not at all. */
async function linkNew(draft: string, path: string): Promise<boolean> {
  try {
    await link(draft, path);
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw error;
  }
}

async function refuseIfHeld(root: string, path: string): Promise<void> {
  const holder = await readHolder(path);
  if (!holder || holder.pid === process.pid || !(await isRunning(holder))) return;
  throw new Error(`${root} is in use by the server with process id ${holder.pid}`);
}

/** Undefined when there is none, or none that this program wrote. */
async function readHolder(path: string): Promise<Holder | undefined> {
  const text = await ifPresent(readFile(path, 'utf8'));
  try {
    const holder = JSON.parse(text ?? '') as Holder;
    return Number.isInteger(holder.pid) && holder.pid > 0 ? holder : undefined;
  } catch {
    return undefined;
  }
}

async function isRunning({ pid, startedAt }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, and is another user's.
    if (hasCode(error, 'ESRCH')) return false;
  }
  const facts = await lookUp(pid);
  if (!facts) return true;
  // One that was killed keeps its number until its parent has asked for its end.
  return facts.state !== 'Z' && (startedAt === undefined || facts.startedAt === startedAt);
}

/** What Linux tells of a process; undefined elsewhere. */
async function lookUp(pid: number): Promise<{ state: string | undefined; startedAt: string | undefined } | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'latin1').catch(() => undefined);
  // `<pid> (<name>) <state> ...`, and the name may hold anything.
  const words = text?.slice(text.lastIndexOf(')') + 2).split(' ');
  return words && { state: words[0], startedAt: words[19] };
}
