import type { CommandWords, FlagWords, OperandWords, Value } from './words.ts';

/** For a file `_cos-slice` in a folder of `fpath`, and to be sourced. */
export function zshCompletion(commands: readonly CommandWords[]): string {
  return `#compdef cos-slice
# Completion of cos-slice for zsh: put this line into ~/.zshrc, after compinit
#   source <(cos-slice completion zsh)
# or this output into a file _cos-slice in a folder of $fpath.
_cos-slice() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -C '(- *)'{-h,--help}'[display help]' '(- *)'{-V,--version}'[output the version number]' \\
    '1:command:->command' '*::argument:->argument'
  case $state in
    command)
      local -a commands=(
${commands.map(({ name, summary }) => `        ${quote(`${name}:${summary.replaceAll(':', '\\:')}`)}`).join('\n')}
      )
      _describe command commands
      ;;
    argument)
      curcontext="\${curcontext%:*:*}:cos-slice-$line[1]:"
      case $line[1] in
${commands.map(commandCase).join('\n')}
      esac
      ;;
  esac
}
if [[ $funcstack[1] == _cos-slice ]]; then
  _cos-slice "$@"
else
  compdef _cos-slice cos-slice
fi
`;
}

function commandCase({ name, flags, operands }: CommandWords): string {
  const specs = [...flags.map(flagSpec), ...operands.map((one, index) => quote(operandSpec(one, index)))];
  return `        ${name})
          _arguments -s -S \\
            ${specs.join(' \\\n            ')}
          ;;`;
}

function flagSpec({ short, long, doc, placeholder, value, repeatable }: FlagWords): string {
  const told = `[${doc.replace(/[[\]\\]/g, '\\$&')}]`;
  const wants = value === undefined ? '' : `:${(placeholder ?? '').replaceAll(':', '\\:')}:${action(value)}`;
  const mark = value === undefined ? '' : '=';
  if (short === undefined) return quote(`${repeatable ? '*' : ''}${long}${mark}${told}${wants}`);
  return `${quote(`(${short} ${long})`)}{${short},${long}${mark}}${quote(`${told}${wants}`)}`;
}

function operandSpec({ placeholder, many, value }: OperandWords, index: number): string {
  return `${many ? '*' : index + 1}:${placeholder}:${action(value)}`;
}

function action(value: Value): string {
  if (value === 'file') return '_files';
  if (value === 'directory') return '_files -/';
  return value === 'unknown' ? ' ' : `(${value.join(' ')})`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
