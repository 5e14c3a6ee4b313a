import { expect, test } from 'vitest';
import { forEachOf } from './for-each-of.ts';

test('a failure is told when nothing is under way any more, and nothing begins after it', async () => {
  const begun: number[] = [];
  let isOver = false;
  let end = (): void => {};
  const ending = new Promise<void>((resolve) => {
    end = resolve;
  });
  const running = forEachOf(
    [0, 1, 2, 3],
    async (item) => {
      begun.push(item);
      if (item === 1) throw new Error('the second one');
      await ending;
      isOver = true;
    },
    2,
  ).catch((error) => [error.message, isOver]);
  await new Promise((resolve) => setImmediate(resolve));
  end();
  expect(await running).toEqual(['the second one', true]);
  expect(begun).toEqual([0, 1]);
});
