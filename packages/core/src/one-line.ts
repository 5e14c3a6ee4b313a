/** What an error of unknown kind says, in one line. */
export function oneLine(error: unknown): string {
  const { name, message = error } = Object(error);
  return String(message || name).replace(/\n.*/s, '');
}
