import type { Command } from '../command.ts';

/** Every command, loaded when it is called: an upload does not wait for a server. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  upload: async () => (await import('./upload.ts')).upload,
  serve: async () => (await import('./serve.ts')).serve,
  sign: async () => (await import('./sign.ts')).sign,
};
