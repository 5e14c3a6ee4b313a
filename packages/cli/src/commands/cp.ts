import type { Command } from '../command.ts';
import { createTransferCommand } from '../transfer.ts';

export const cp: Command = createTransferCommand({
  name: 'cp',
  summary: 'copy a file',
  description: 'Copies a file, with its attributes and headers, to another path in its bucket. Nothing is downloaded.',
  notes: [
    'What the target is in is created. A file never replaces a directory.',
    'With --json: {"ok":true, "path", "from"} or {"ok":false, "code", "message", "path", ...}',
  ],
  examples: [
    'cos-slice cp films/film.mp4 films/backup/film.mp4',
    'cos-slice cp films/film.mp4 films/backup/         # films/backup/film.mp4',
    'cos-slice cp films/film.mp4 films/latest.mp4 --overwrite',
  ],
  directories: false,
  past: 'copied to',
  run: (client, from, to, options) => client.copy(from, to, options),
});
