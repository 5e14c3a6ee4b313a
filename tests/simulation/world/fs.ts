import { constants } from 'node:fs';
import { promisify } from 'node:util';
import { current } from './current.ts';
import { type Facts, factsOf } from './facts.ts';
import { fileOf } from './file-handle.ts';
import { storage } from './fs-promises.ts';

// What client and server see instead of `node:fs`.

export { constants };

export function readSync(fd: number, buffer: Uint8Array, offset: number, length: number, position: number): number {
  const file = fileOf(fd, 'read');
  return storage().callNow('read', file.path, () => file.readNow(buffer, offset, length, position));
}

export function writeSync(fd: number, bytes: Uint8Array): number {
  const file = fileOf(fd, 'write');
  return storage().callNow('writeSync', file.path, () => file.writeNow(bytes, 0));
}

export function statSync(path: string, options: { bigint?: boolean; throwIfNoEntry?: boolean }): Facts | undefined {
  return storage().callNow('stat', path, () => {
    const inode = storage().disk.find(path);
    return inode && factsOf(inode, options);
  });
}

export function read(): never {
  throw new Error('only its promise is simulated');
}
Object.defineProperty(read, promisify.custom, {
  value: async (fd: number, buffer: Uint8Array, offset: number, length: number, position: number) => {
    const file = fileOf(fd, 'read');
    if (!current().current.alive) return new Promise(() => {});
    return file.read(buffer, offset, length, position);
  },
});
