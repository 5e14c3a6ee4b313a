import type { CommandWords, FlagWords, Value } from './words.ts';

export function fishCompletion(commands: readonly CommandWords[]): string {
  return `# Completion of cos-slice for fish:
#   cos-slice completion fish > ~/.config/fish/completions/cos-slice.fish

# Whether the command is this one; without one: whether there is none yet.
function __cos_slice_is
    set -l words (commandline -opc)
    set -e words[1]
    for word in $words
        if not string match -q -- '-*' $word
            test "$word" = "$argv[1]"
            return
        end
    end
    test -z "$argv[1]"
end

complete -c cos-slice -f
complete -c cos-slice -n __cos_slice_is -s h -l help -d 'display help'
complete -c cos-slice -n __cos_slice_is -s V -l version -d 'output the version number'
${commands.map(({ name, summary }) => `complete -c cos-slice -n __cos_slice_is -a ${name} -d ${quote(summary)}`).join('\n')}
${commands.flatMap(linesOf).join('\n')}
`;
}

function linesOf({ name, flags, operands }: CommandWords): string[] {
  const start = `complete -c cos-slice -n '__cos_slice_is ${name}'`;
  const lines = flags.map((flag) => `${start} ${flagWords(flag)}`);
  for (const { value } of operands) {
    // The rule above that there are no files is taken back.
    if (value === 'file') lines.push(`${start} -F`);
    else if (value !== 'unknown') lines.push(`${start} ${answer(value)}`);
  }
  return lines;
}

function flagWords({ short, long, doc, value }: FlagWords): string {
  const names = `${short === undefined ? '' : `-s ${short.slice(1)} `}-l ${long.slice(2)}`;
  return `${names}${value === undefined ? '' : ` ${answer(value)}`} -d ${quote(doc)}`;
}

function answer(value: Value): string {
  if (value === 'file') return '-r -F';
  if (value === 'directory') return "-x -a '(__fish_complete_directories)'";
  return value === 'unknown' ? '-x' : `-x -a ${quote(value.join(' '))}`;
}

function quote(text: string): string {
  return `'${text.replace(/[\\']/g, '\\$&')}'`;
}
