import stringWidth from 'string-width';

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** One line that a terminal only shows: names and messages from elsewhere may hold line breaks and escape codes. */
export function toLine(text: string): string {
  return text
    .replace(/\s*[\r\n\u2028\u2029]+\s*/g, ' ')
    .replace(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu, '\ufffd')
    .trim();
}

/** A name on a screen: what a terminal would take for a command, or for a new line, is escaped. */
export function toName(text: string): string {
  return text.replace(/[\p{Cc}\u2028-\u202e\u2066-\u2069]/gu, escaped);
}

/** A name for a log: in double quotes, with everything escaped that would not just be shown. */
export function quoteName(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, escaped);
}

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** At most so many columns of a terminal, cut in the middle: the end of a file's name says what it is. */
export function shorten(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  const all = [...graphemes.segment(text)].map(({ segment }) => segment);
  const head = take(all, Math.ceil((columns - 1) / 2));
  const tail = take(all.reverse(), columns - 1 - stringWidth(head.join(''))).reverse();
  return columns < 1 ? '' : [...head, '…', ...tail].join('');
}

function take(segments: readonly string[], columns: number): string[] {
  const taken: string[] = [];
  let left = columns;
  for (const segment of segments) {
    left -= stringWidth(segment);
    if (left < 0) break;
    taken.push(segment);
  }
  return taken;
}

/** A word as a POSIX shell would want it typed; for Windows, as PowerShell and the Command Prompt both take it. */
export function quoteWord(word: string, platform: NodeJS.Platform = process.platform): string {
  if (platform !== 'win32') return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
  // A backslash before the quote would be taken for its escape.
  return /^[\w+=:./\\-]+$/.test(word) ? word : `"${word.replace(/\\+$/, '$&$&')}"`;
}
