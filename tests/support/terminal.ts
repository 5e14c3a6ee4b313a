/** A number from the command line. @throws when it is none */
export function whole(name: string, text: string | undefined, standard: number): number {
  if (text === undefined) return standard;
  if (!/^\d+$/.test(text)) throw new Error(`--${name} must be a whole number, got ${text}`);
  return Number(text);
}

/** The first row is the heading, the first column is text. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  const lines = rows.map((row) =>
    widths
      .map((width, column) => (column === 0 ? (row[0] ?? '').padEnd(width) : (row[column] ?? '').padStart(width)))
      .join('  '),
  );
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return ['', lines[0], rule, ...lines.slice(1)].join('\n');
}

/** A bar at the bottom of a terminal; where there is none, nothing but what is printed. */
export interface ProgressLine {
  show(done: number, facts: string): void;
  print(text: string): void;
  end(): void;
}

const BAR_COLUMNS = 30;

export function createProgressLine(what: string, total: number): ProgressLine {
  const { stderr } = process;
  const isShown = stderr.isTTY === true;
  const clear = (): void => {
    if (isShown) stderr.write('\r\u001b[K');
  };
  return {
    show(done, facts) {
      if (!isShown) return;
      const full = Math.floor((Math.min(done, total) / Math.max(1, total)) * BAR_COLUMNS);
      const bar = '█'.repeat(full) + '░'.repeat(BAR_COLUMNS - full);
      stderr.write(`\r${`${bar} ${done}/${total} ${what}, ${facts}`.slice(0, stderr.columns - 1)}\u001b[K`);
    },
    print(text) {
      clear();
      console.log(text);
    },
    end: clear,
  };
}
