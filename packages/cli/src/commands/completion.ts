import type { Command } from '../command.ts';
import { bashCompletion } from '../completion/bash.ts';
import { fishCompletion } from '../completion/fish.ts';
import { wordsOf } from '../completion/words.ts';
import { zshCompletion } from '../completion/zsh.ts';
import { EXIT, UsageError } from '../failure.ts';
import { print } from '../print.ts';
import { list } from '../units.ts';

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion };
const NAMES = Object.keys(SHELLS);

export const completion: Command = {
  name: 'completion',
  summary: 'print what a shell needs to complete this command',
  description: 'Prints a script with which bash, zsh or fish complete the commands, their flags and what these take.',
  operands: [{ usage: '<SHELL>', doc: list(NAMES), completes: NAMES }],
  flags: {},
  notes: ['It is to be printed anew after an upgrade, unless the shell asks for it each time it starts, as below.'],
  examples: [
    'source <(cos-slice completion bash)    # in ~/.bashrc',
    'source <(cos-slice completion zsh)     # in ~/.zshrc, after compinit',
    'cos-slice completion fish > ~/.config/fish/completions/cos-slice.fish',
  ],
  variables: {},
  async run({ operands: [shell = ''], commands }) {
    if (!Object.hasOwn(SHELLS, shell)) throw new UsageError(`the shell must be ${list(NAMES)}, got '${shell}'`);
    const words = (await commands()).map(wordsOf);
    await print(SHELLS[shell as keyof typeof SHELLS](words).trimEnd());
    return EXIT.done;
  },
};
