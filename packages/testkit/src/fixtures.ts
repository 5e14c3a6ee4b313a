import { readdir, readFile } from 'node:fs/promises';

const FOLDER = new URL('../fixtures/', import.meta.url);

/**
 * Reads test vectors and recorded requests.
 *
 * @param name below `fixtures/`, such as `vectors/sha1-slices.json`
 */
export async function readFixture(name: string): Promise<unknown> {
  return JSON.parse(await readFile(new URL(name, FOLDER), 'utf8'));
}

/** The names of the JSON files in a folder below `fixtures/`. */
export async function listFixtures(folder: string): Promise<string[]> {
  return (await readdir(new URL(`${folder}/`, FOLDER))).filter((name) => name.endsWith('.json'));
}
