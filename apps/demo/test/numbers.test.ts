import { expect, test } from 'vitest';
import {
  add,
  demo,
  expectFinished,
  IN_FLIGHT,
  legend,
  MB,
  makeFile,
  page,
  RESUMED,
  STORED,
  turn,
  untilStored,
  useDemo,
} from './setting.ts';

useDemo();

const MIB = 1024 * 1024;

/** Every number that the page shows of its one upload, at one moment. */
async function read() {
  const shown = await page.evaluate(() => {
    const text = (selector: string): string => document.querySelector(selector)?.textContent ?? '';
    return {
      bar: text('.uppy-StatusBar-statusPrimary'),
      phase: text('.file-phase'),
      slices: text('#count-slices'),
      confirmed: text('#count-confirmed'),
    };
  });
  const [stored = 0, total = 0] = (shown.slices.match(/\d+/g) ?? []).map(Number);
  const percentIn = (text: string): number => Number(/(\d+)%/.exec(text)?.[1] ?? Number.NaN);
  return {
    ...shown,
    stored,
    total,
    barPercent: percentIn(shown.bar),
    phasePercent: percentIn(shown.phase),
    confirmedMib: Number.parseFloat(shown.confirmed),
    map: (await legend(STORED)) + (await legend(RESUMED)),
  };
}

test('after a pause the percentage, the bytes, the slices and the map say the same', async () => {
  const sizeBytes = 40 * MB;
  const source = await makeFile('agree.bin', sizeBytes);
  await turn('slow', true);
  await add(source);
  for (const _ of ['once', 'and again']) {
    const before = await read().then(({ stored }) => stored || 0);
    await untilStored(before + 3);
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    // What was in flight has some seconds to arrive, and Uppy sums up twice a second.
    await expect.poll(() => legend(IN_FLIGHT)).toBe(0);
    const differing = async (): Promise<number[]> => {
      const { barPercent, phasePercent, confirmedMib, stored, map } = await read();
      const percent = Math.round((100 * stored * 2 * MIB) / sizeBytes);
      const differences = [
        barPercent - percent,
        phasePercent - percent,
        map - stored,
        10 * (confirmedMib - stored * 2),
      ];
      return differences.map((one) => Math.abs(Math.round(one)));
    };
    await expect.poll(differing).toEqual([0, 0, 0, 0]);
    await page.getByRole('button', { name: 'Resume', exact: true }).click();
  }
  await turn('slow', false);
  await expectFinished('agree.bin', source);
});

test('on a slow link no more is shown than a slice beyond what is confirmed', async () => {
  const sizeBytes = 24 * MB;
  await turn('slow', true);
  await add(await makeFile('slow.bin', sizeBytes));
  await untilStored(1);
  let looks = 0;
  for (; looks < 12; looks += 1) {
    await page.waitForTimeout(250);
    const { stored, phasePercent, phase } = await read();
    if (!phase.startsWith('Sending')) break;
    expect(phasePercent, `${stored} slices are stored`).toBeLessThanOrEqual(
      Math.ceil((100 * (stored + 1.5) * 2 * MIB) / sizeBytes),
    );
  }
  expect(looks).toBeGreaterThan(3);
});

test('when a session is lost, what was confirmed stays, and the page says that it is sent again', async () => {
  const source = await makeFile('lost.bin', 40 * MB);
  await turn('slow', true);
  await add(source);
  await untilStored(6);
  await turn('lose', true);
  await expect.poll(() => demo.faults.state().struck.lose).toBeGreaterThan(0);
  await page.getByText(/^Sending again what was lost, \d+%/).waitFor();
  const shown = await read();
  expect(shown.stored).toBeGreaterThanOrEqual(6);
  expect(shown.confirmedMib).toBeCloseTo(shown.stored * 2, 1);
  expect(Math.abs(shown.barPercent - shown.phasePercent)).toBeLessThanOrEqual(6);
  await turn('slow', false);
  await expectFinished('lost.bin', source);
});
