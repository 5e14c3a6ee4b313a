import fc from 'fast-check';
import { expect, test } from 'vitest';
import { watchPages } from './pages.ts';

const turned = (placeOf: (page: number) => string, most: number): number => {
  const watch = watchPages();
  for (let page = 0; page < most; page += 1) {
    try {
      watch(placeOf(page));
    } catch (error) {
      expect(error).toMatchObject({ code: 'bad-reply' });
      return page;
    }
  }
  return most;
};

test('pages that lead in a circle end soon, wherever it begins and however long it is', () => {
  fc.assert(
    fc.property(fc.nat(50), fc.integer({ min: 1, max: 50 }), (before, round) => {
      const placeOf = (page: number): string => String(page < before ? page : before + ((page - before) % round));
      const end = turned(placeOf, 1000);
      expect(end).toBeGreaterThanOrEqual(before + round);
      expect(end).toBeLessThanOrEqual(3 * (before + round) + 1);
    }),
  );
});

test('pages that lead on are never stopped', () => {
  expect(turned(String, 10_000)).toBe(10_000);
});
