// Kills its process with SIGKILL when that is about to change anything on the disk for the DIE_AT-th time. Loaded with --import.
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const dieAt = Number(process.env.DIE_AT);
let changes = 0;

/** @param {Record<string, any>} owner @param {readonly string[]} names */
function watch(owner, names) {
  for (const name of names) {
    const original = owner[name];
    owner[name] = function changed(/** @type {unknown[]} */ ...args) {
      changes += 1;
      if (changes === dieAt) process.kill(process.pid, 'SIGKILL');
      return original.apply(this, args);
    };
  }
}

const NAMES = ['mkdir', 'rename', 'link', 'unlink', 'rm', 'rmdir', 'writeFile', 'appendFile', 'copyFile', 'open'];
const handle = await fs.promises.open(process.execPath);
watch(Object.getPrototypeOf(handle), ['write', 'writev', 'writeFile', 'appendFile', 'truncate', 'sync', 'datasync']);
await handle.close();
watch(fs.promises, NAMES);
const CALLS = ['write', 'writev', 'fsync', 'fdatasync', 'ftruncate'];
watch(fs, [...CALLS, ...NAMES.flatMap((name) => [name, `${name}Sync`])]);
syncBuiltinESMExports();
process.on('exit', () => fs.writeSync(2, `changes: ${changes}\n`));
