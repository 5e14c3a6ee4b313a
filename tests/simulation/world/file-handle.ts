import { diskError, type Inode } from '@cos-slice/testkit/simulated/disk';
import { current } from './current.ts';
import { type Facts, factsOf } from './facts.ts';
import type { Storage } from './storage.ts';
import type { Process } from './world.ts';

const opened = new Map<number, SimulatedFile>();
let lastFd = 100;

/** A file that a simulated process has open. */
export class SimulatedFile {
  readonly fd: number = ++lastFd;
  readonly inode: Inode;
  readonly path: string;
  readonly #appends: boolean;
  readonly #storage: Storage;
  readonly #owner: Process;
  #isOpen = true;

  constructor(storage: Storage, inode: Inode, path: string, appends: boolean) {
    this.inode = inode;
    this.path = path;
    this.#appends = appends;
    this.#storage = storage;
    this.#owner = current().current;
    this.#owner.handles.add(this);
    opened.set(this.fd, this);
  }

  #call<T>(name: string, act: () => T): Promise<T> {
    if (!this.#isOpen) return Promise.reject(diskError('EBADF', name, this.path));
    return this.#storage.call(name, this.path, act);
  }

  readNow(buffer: Uint8Array, offset: number, length: number, position: number): number {
    const bytes = this.#storage.disk.read(this.inode, position, length);
    buffer.set(bytes, offset);
    return bytes.length;
  }

  writeNow(bytes: Uint8Array, position: number): number {
    const at = this.#appends ? this.inode.bytes.length : position;
    return this.#storage.disk.write(this.inode, bytes.subarray(0, this.#storage.share(bytes.length)), at);
  }

  /** @throws EBADF */
  check(name: string): void {
    if (!this.#isOpen) throw diskError('EBADF', name, this.path);
  }

  read(buffer: Uint8Array, offset: number, length: number, position: number) {
    return this.#call('read', () => ({
      bytesRead: this.readNow(buffer, offset, this.#storage.share(length), position),
      buffer,
    }));
  }

  write(buffer: Uint8Array, offset: number, length: number, position: number) {
    const bytes = buffer.subarray(offset, offset + length);
    return this.#call('write', () => ({ bytesWritten: this.writeNow(bytes, position), buffer }));
  }

  writev(buffers: readonly Uint8Array[], position: number) {
    return this.#call('writev', () => ({ bytesWritten: this.writeNow(Buffer.concat(buffers), position), buffers }));
  }

  stat(options?: { bigint?: boolean }): Promise<Facts> {
    return this.#call('fstat', () => factsOf(this.inode, options));
  }

  sync(): Promise<void> {
    return this.#call('sync', () => this.#storage.disk.sync(this.inode));
  }

  datasync(): Promise<void> {
    return this.#call('datasync', () => this.#storage.disk.sync(this.inode));
  }

  async utimes(_atSec: number, modifiedAtSec: number): Promise<void> {
    await this.#call('utimes', () => {
      this.inode.modifiedAtMs = modifiedAtSec * 1000;
    });
  }

  async close(): Promise<void> {
    this.check('close');
    this.#isOpen = false;
    opened.delete(this.fd);
    this.#owner.handles.delete(this);
    await this.#storage.call('close', this.path, () => {});
  }
}

/** @throws EBADF */
export function fileOf(fd: number, name: string): SimulatedFile {
  const file = opened.get(fd);
  if (!file) throw diskError('EBADF', name);
  return file;
}

/** A world has ended, and what its dead processes had open. */
export function forgetFiles(): void {
  opened.clear();
  lastFd = 100;
}
