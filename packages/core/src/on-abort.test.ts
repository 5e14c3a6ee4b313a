import { expect, test } from 'vitest';
import { onAbort } from './on-abort.ts';

test('all are called, each once, but for those that have left', () => {
  const controller = new AbortController();
  const called: number[] = [];
  const leaves = [1, 2, 3].map((one) => onAbort(controller.signal, () => called.push(one)));
  leaves[1]?.();
  controller.abort();
  controller.abort();
  expect(called).toEqual([1, 3]);
});

test('whoever comes after others have left is called, and one that leaves in the middle is not', () => {
  const controller = new AbortController();
  const called: string[] = [];
  onAbort(controller.signal, () => called.push('gone'))();
  onAbort(controller.signal, () => {
    called.push('first');
    leave();
  });
  const leave = onAbort(controller.signal, () => called.push('second'));
  controller.abort();
  expect(called).toEqual(['first']);
});
