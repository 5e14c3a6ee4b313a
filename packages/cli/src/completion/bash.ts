import type { CommandWords, FlagWords, Value } from './words.ts';

/** For bash from 3.2 on, as macOS has it: no associative arrays, and `compopt` only where there is one. */
export function bashCompletion(commands: readonly CommandWords[]): string {
  const names = commands.map(({ name }) => name).join(' ');
  return `# Completion of cos-slice for bash: put this line into ~/.bashrc
#   source <(cos-slice completion bash)
_cos_slice() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} command= flags= values= at=0 i word
  # Readline takes --flag=value apart.
  if [[ $cur == = ]]; then
    cur=
  elif [[ $prev == = ]]; then
    prev=\${COMP_WORDS[COMP_CWORD-2]}
  fi
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ -z $command && $word != -* ]]; then
      command=$word
      case $command in
${indent(commands.map(flagsCase).join('\n'), 8)}
      esac
    elif [[ $values == *" $word "* ]]; then
      [[ \${COMP_WORDS[i+1]} == = ]] && ((i++))
      ((i++))
    elif [[ $word != -* ]]; then
      ((at++))
    fi
  done
  if [[ -z $command ]]; then
    COMPREPLY=($(compgen -W '${names} help --help --version' -- "$cur"))
    return
  fi
  case "$command $prev" in
${indent(commands.flatMap(valueCases).join('\n'), 4)}
  esac
  if [[ $values == *" $prev "* ]]; then
    compopt +o default 2> /dev/null
    return
  fi
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
    return
  fi
  case "$command $at" in
${indent(commands.flatMap(operandCases).join('\n'), 4)}
    'help 0') COMPREPLY=($(compgen -W '${names}' -- "$cur")) ;;
    *) compopt +o default 2> /dev/null ;;
  esac
}
# What the function leaves open is a file.
complete -o default -F _cos_slice cos-slice
`;
}

/** All flags, and those that something comes after, between spaces. */
function flagsCase({ name, flags }: CommandWords): string {
  const values = flags.filter(({ value }) => value !== undefined);
  return `${name})
  flags='${flags.flatMap(namesOf).join(' ')}'
  values=' ${values.flatMap(namesOf).join(' ')} '
  ;;`;
}

function valueCases({ name, flags }: CommandWords): string[] {
  return flags.flatMap((flag) => {
    if (flag.value === undefined || flag.value === 'unknown') return [];
    const patterns = namesOf(flag).map((one) => `'${name} ${one}'`);
    return [`${patterns.join('|')}) ${answer(flag.value)}return ;;`];
  });
}

function operandCases({ name, operands }: CommandWords): string[] {
  return operands.flatMap(({ value, many }, index) =>
    value === 'unknown' ? [] : [`'${name} '${many ? '*' : index}) ${answer(value)};;`],
  );
}

/** Nothing: readline completes files. */
function answer(value: Value): string {
  if (value === 'file') return '';
  if (value === 'directory') return 'compopt +o default -o dirnames 2> /dev/null; ';
  return `COMPREPLY=($(compgen -W '${[value].flat().join(' ')}' -- "$cur")); `;
}

function namesOf({ short, long }: FlagWords): string[] {
  return short === undefined ? [long] : [short, long];
}

function indent(text: string, columns: number): string {
  return text.replace(/^(?=.)/gm, ' '.repeat(columns));
}
