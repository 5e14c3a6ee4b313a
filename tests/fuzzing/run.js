// @ts-check
import { mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.js';

// Beside this folder, where what is not of this house is found.
const file = join(dirname(fileURLToPath(import.meta.url)), `../dist/fuzzing-${process.pid}.js`);
await mkdir(dirname(file), { recursive: true });
try {
  const facts = await bundle(file);
  const { main } = await import(pathToFileURL(file).href);
  await main(process.argv.slice(2), facts);
} finally {
  await rm(file, { force: true });
}
