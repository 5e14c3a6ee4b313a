import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { withFolder } from '@cos-slice/testkit/files';
import { expect } from 'vitest';

/** Runs a program of this folder to its good end. @returns the figures that it writes, and what it has said */
export async function figuresOf<Figures>(
  run: string,
  flags: readonly string[],
): Promise<{ figures: Figures; told: string }> {
  return withFolder(async (folder) => {
    const json = join(folder, 'figures.json');
    const child = spawn(process.execPath, [run, ...flags, '--json', json], { stdio: ['ignore', 'pipe', 'pipe'] });
    let told = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        told += chunk;
      });
    }
    const [exitCode] = await once(child, 'close');
    expect(exitCode, told).toBe(0);
    return { figures: JSON.parse(await readFile(json, 'utf8')), told };
  });
}
