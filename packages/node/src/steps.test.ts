import { expect, test } from 'vitest';
import { createSteps } from './steps.ts';

const KIB = 1024;

test('a fast network is given larger steps, up to a limit', () => {
  const steps = createSteps();
  const seen = Array.from({ length: 4 }, () => {
    steps.took(1);
    return steps.bytes / KIB;
  });
  expect(seen).toEqual([512, 1024, 1024, 1024]);
});

test('a slow network is given smaller ones, so that progress shows', () => {
  const steps = createSteps();
  const seen = Array.from({ length: 3 }, () => {
    steps.took(2_000);
    return steps.bytes / KIB;
  });
  expect(seen).toEqual([128, 64, 64]);
});

test('after a step that did not get through, the next attempt starts with small ones', () => {
  const steps = createSteps();
  for (let count = 0; count < 3; count += 1) steps.took(1);
  steps.brokeOff();
  expect(steps.bytes).toBe(256 * KIB);
});
