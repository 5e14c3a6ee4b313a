import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { startStore } from './store.ts';

/** Where the vendor's clients come to. */
export interface VendorPlace {
  readonly port: number;
  read(path: string): Promise<Buffer>;
  /** What is there, files and directories, seen past the server. */
  names(): Promise<string[]>;
  /** Where there are several servers: how many requests of that operation they have answered with success. */
  answered?(op: string): number;
  /** Kills one server with SIGKILL, and starts it again. */
  crash?(): Promise<void>;
}

/** A server on files, until the test is over. */
export async function startVendorStore(folder: string): Promise<VendorPlace> {
  const store = await startStore(join(folder, 'store'));
  onTestFinished(() => store.close());
  return { port: store.port, read: store.read, names: () => readdir(store.file('')) };
}

/** Kills a server when four slices of an upload have been answered. */
export async function crashDuring(place: VendorPlace, op: string, uploading: Promise<unknown>): Promise<void> {
  const { answered, crash } = place;
  if (!answered || !crash) throw new Error('there is nothing to be killed here');
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  uploading.then(over, over);
  const before = answered(op);
  while (!isOver && answered(op) - before < 4) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(isOver).toBe(false);
  await crash();
}
