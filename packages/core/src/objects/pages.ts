import { CosSliceError } from '../errors.ts';

/**
 * Looks whether a list's pages lead in a circle, however long it is, and remembers one place only (R. P. Brent's way): each is
 * compared with one before, which moves on to where the list has come after 1, 2, 4, ... pages.
 *
 * @returns takes where each page leads to
 * @throws CosSliceError `bad-reply`, at the latest after three times as many pages as the circle and the way to it have
 */
export function watchPages(): (place: string) => void {
  let kept: string | undefined;
  let left = 1;
  let length = 1;
  return (place) => {
    if (place === kept) {
      throw new CosSliceError('bad-reply', "the server's list leads from a page to one before it: begin it anew");
    }
    left -= 1;
    if (left > 0) return;
    kept = place;
    length *= 2;
    left = length;
  };
}
