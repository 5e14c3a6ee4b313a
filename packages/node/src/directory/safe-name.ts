/** Names that are devices on Windows, with any extension. */
const DEVICES = /^(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(\.|$)/i;

/**
 * Whether a name that a server tells may be a file's in a directory here: exactly one segment that leads nowhere else. On
 * Windows that excludes drives, streams, devices and what is cut off at the end of names.
 */
export function isSafeName(name: string, platform: NodeJS.Platform = process.platform): boolean {
  if (name === '' || name === '.' || name === '..' || /[/\0]/.test(name)) return false;
  // Halves of characters cannot be written to a disk as they are.
  if (/\p{Cs}/u.test(name)) return false;
  return platform !== 'win32' || !(/[\\:*?"<>|\p{Cc}]|[. ]$/u.test(name) || DEVICES.test(name));
}
