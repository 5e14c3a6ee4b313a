import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FAULTS } from '../server/faults.js';
import {
  add,
  demo,
  dir,
  expectFinished,
  IN_FLIGHT,
  legend,
  MB,
  makeFile,
  page,
  RESUMED,
  restartDemo,
  stored,
  turn,
  untilStored,
  useDemo,
} from './setting.ts';

useDemo();

test('200 MB, paused, resumed, reloaded and through every fault, arrive byte for byte', async () => {
  const source = await makeFile('film.mp4', 200 * MB);
  await turn('slow', true);
  await add(source);
  await untilStored(5);

  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.getByText(/^Paused at/).waitFor();
  // What was in flight has a few seconds to arrive; nothing follows.
  await expect.poll(() => legend(IN_FLIGHT)).toBe(0);
  const atPause = await stored();
  await page.waitForTimeout(1500);
  expect(await stored()).toBe(atPause);
  await page.getByRole('button', { name: 'Resume', exact: true }).click();
  await untilStored(atPause + 5);

  const before = await stored();
  await page.locator('#reload').click();
  await page.waitForLoadState('load');
  await untilStored(before);
  expect(await legend(RESUMED)).toBeGreaterThanOrEqual(before);

  for (const fault of ['drop', 'busy', 'stall', 'expire', 'lose'] as const) {
    await turn(fault, true);
    await expect.poll(() => demo.faults.state().struck[fault]).toBeGreaterThan(0);
    await turn(fault, false);
  }
  await turn('slow', false);
  await expectFinished('film.mp4', source);

  // Added again, it is there at once.
  await page.locator('.uppy-Dashboard-Item').waitFor({ state: 'detached' });
  await add(source);
  await page.locator('#finished .badge.instant').waitFor();
});

test('24 MB arrive byte for byte through faults in pairs, and then all of them together', async () => {
  const source = await makeFile('worst.bin', 24 * MB);
  const control = (...faults: readonly string[]): void =>
    demo.faults.set(Object.fromEntries(FAULTS.map((fault) => [fault, faults.includes(fault)])));
  const before = demo.faults.state().struck;
  // In every pair, so that the upload lasts long enough to meet them all.
  control('slow');
  await add(source);
  await untilStored(1);
  for (const fault of ['lose', 'expire', 'stall', 'drop', 'busy'] as const) {
    control('slow', fault);
    await page.waitForTimeout(1000);
  }
  control(...FAULTS);
  await expectFinished('worst.bin', source);
  const { struck } = demo.faults.state();
  for (const fault of ['lose', 'expire', 'drop', 'busy'] as const) expect(struck[fault]).toBeGreaterThan(before[fault]);
});

test('what was counted stays counted when the server is started anew', async () => {
  const preflights = async (): Promise<number> => Number(await page.locator('#count-preflights').textContent());
  await turn('busy', true);
  await add(await makeFile('count.bin', 12 * MB));
  await expectFinished('count.bin', join(dir, 'count.bin'));
  await expect.poll(() => page.locator('#faults .times', { hasText: '×' }).count()).toBe(1);
  const before = await preflights();
  expect(before).toBeGreaterThan(0);

  const struck = demo.faults.state().struck.busy;
  await restartDemo();
  // The page has heard of the new one when its switch is off again.
  await expect.poll(() => page.locator('#fault-busy').isChecked()).toBe(false);
  expect(await preflights()).toBe(before);
  await fetch(`${demo.url}/files/v2/1250000000/demo/x`, { method: 'OPTIONS' });
  await expect.poll(preflights).toBe(before + 1);
  expect(struck).toBeGreaterThan(0);
  expect(await page.locator('#faults .times', { hasText: '×' }).count()).toBe(1);
});
