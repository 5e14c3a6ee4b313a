import type { Command } from '../command.ts';

/** Every command, loaded when it is called: an upload does not wait for a server. */
export const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  upload: async () => (await import('./upload.ts')).upload,
  put: async () => (await import('./put.ts')).put,
  get: async () => (await import('./get.ts')).get,
  copy: async () => (await import('./copy.ts')).copy,
  ls: async () => (await import('./ls.ts')).ls,
  stat: async () => (await import('./stat.ts')).stat,
  mkdir: async () => (await import('./mkdir.ts')).mkdir,
  rm: async () => (await import('./rm.ts')).rm,
  mv: async () => (await import('./mv.ts')).mv,
  cp: async () => (await import('./cp.ts')).cp,
  set: async () => (await import('./set.ts')).set,
  sessions: async () => (await import('./sessions.ts')).sessions,
  sign: async () => (await import('./sign.ts')).sign,
  serve: async () => (await import('./serve.ts')).serve,
  doctor: async () => (await import('./doctor.ts')).doctor,
  completion: async () => (await import('./completion.ts')).completion,
};
