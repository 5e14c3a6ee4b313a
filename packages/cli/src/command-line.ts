import { quoteWord } from './text.ts';

const SECRET = '--secret-key';
const MAYBE_SECRET = '--sign-url';

/** The command as it could be typed again, without what must not end up on screens and in logs. */
export function withoutSecrets(argv: readonly string[]): string {
  const shown: string[] = ['cos-slice'];
  const words = argv.values();
  for (const word of words) {
    if (word === '--') {
      shown.push(word, ...words);
      break;
    }
    const [flag = '', ...rest] = word.split('=');
    if (flag !== SECRET && flag !== MAYBE_SECRET) {
      shown.push(word);
      continue;
    }
    const value = rest.length > 0 ? rest.join('=') : words.next().value;
    // A password or a token can be part of such a URL.
    if (flag === MAYBE_SECRET && !/[@?]/.test(String(value))) shown.push(flag, String(value));
  }
  return shown.map(quoteWord).join(' ');
}
