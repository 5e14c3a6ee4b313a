/** What a table has for a word that a server has sent. Every object knows words such as `constructor`; a table does not. */
export function meaningOf<T>(table: Readonly<Record<string, T>>, word: string): T | undefined {
  return Object.hasOwn(table, word) ? table[word] : undefined;
}
