import type { Command } from '../command.ts';
import { createTransferCommand } from '../transfer.ts';

export const mv: Command = createTransferCommand({
  name: 'mv',
  summary: 'move or rename a file or a directory',
  description: 'Gives a file, or a directory with all that is in it, another path in its bucket.',
  notes: [
    'What the target is in is created. A directory replaces nothing, and a file never a directory.',
    'With --json: {"ok":true, "path", "from"} or {"ok":false, "code", "message", "path", ...}',
  ],
  examples: [
    'cos-slice mv films/draft.mp4 films/2024/final.mp4',
    'cos-slice mv films/draft.mp4 films/2024/          # films/2024/draft.mp4',
    'cos-slice mv films/2024 films/archive/2024        # a directory',
  ],
  flags: {},
  directories: true,
  past: 'moved to',
  run: (client, from, to, options) => client.move(from, to, options),
});
