import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface Sample {
  readonly language: string;
  /** What stands beside the language: `before`, `after`. */
  readonly label: string;
  readonly code: string;
}

/** The code samples of a document, in order. */
export async function samplesOf(document: string): Promise<Sample[]> {
  const text = await readFile(join(ROOT, document), 'utf8');
  const samples = text.matchAll(/^```(\w+)(?: (\w+))?\n(.*?)^```$/gms);
  return [...samples].map(([, language = '', label = '', code = '']) => ({ language, label, code }));
}

/** Runs a sample in a folder, where it finds the packages. @returns what it printed @throws with what it said, when it fails */
export async function runSample(
  code: string,
  folder: string,
  env: Readonly<Record<string, string>> = {},
  name = 'sample.mjs',
): Promise<string> {
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules')).catch(() => {});
  const file = join(folder, name);
  await writeFile(file, code);
  const { PATH } = process.env;
  const child = spawn(process.execPath, [file], { cwd: folder, env: { PATH, XDG_STATE_HOME: folder, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const [status] = await once(child, 'close');
  if (status !== 0) throw new Error(`the sample ended with ${status}: ${output}`);
  return output;
}
