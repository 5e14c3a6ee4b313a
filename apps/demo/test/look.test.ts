import { expect, test } from 'vitest';
import { add, expectFinished, MB, makeFile, page, useDemo } from './setting.ts';

useDemo();

/** From now on, sums up how far what is in sight moves by itself. */
async function watchShifts(): Promise<() => Promise<number>> {
  await page.evaluate(() => {
    const shifts: number[] = [];
    Object.assign(window, { shifts });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as (PerformanceEntry & { value: number; hadRecentInput: boolean })[]) {
        if (!entry.hadRecentInput) shifts.push(entry.value);
      }
    }).observe({ type: 'layout-shift', buffered: false });
  });
  return () =>
    page.evaluate(() => (window as unknown as { shifts: number[] }).shifts.reduce((sum, value) => sum + value, 0));
}

test('the page is usable at 360 px, in both languages, and nothing moves while files are uploaded', async () => {
  // High enough for everything to be in sight: only what is seen can be seen to move.
  await page.setViewportSize({ width: 360, height: 3000 });
  const shifted = await watchShifts();
  const source = await makeFile('narrow.bin', 12 * MB);
  await add(source);
  await expectFinished('narrow.bin', source);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
  expect(await shifted()).toBeLessThan(0.05);

  await page.getByRole('button', { name: '中文' }).click();
  await page.getByRole('heading', { name: '分片图' }).waitFor();
  expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN');
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
});

for (const [width, height] of [
  [1280, 1600],
  [360, 3000],
] as const) {
  test(`with four files, and then a hundred, next to nothing moves at ${width} px`, async () => {
    await page.setViewportSize({ width, height });
    const shifted = await watchShifts();
    const few = await Promise.all([9, 3, 6, 12].map((size, at) => makeFile(`${width}-few-${at}.bin`, size * MB)));
    await add(...few);
    await expect.poll(() => page.locator('#finished li').count()).toBe(4);
    await page.locator('.uppy-Dashboard-Item').first().waitFor({ state: 'detached' });
    expect(await shifted()).toBeLessThan(0.1);

    const many = await Promise.all(Array.from({ length: 100 }, (_, at) => makeFile(`${width}-many-${at}.bin`, 5000)));
    await add(...many);
    await page.locator('#finished li', { hasText: '-many-99.bin' }).waitFor();
    await page.locator('.uppy-Dashboard-Item').first().waitFor({ state: 'detached' });
    expect(await shifted()).toBeLessThan(0.1);
  });
}

test('texts, switches and slices can be told apart by their luminance, in light and in dark', async () => {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const contrast = await page.evaluate(() => {
      const context = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
      if (!context) throw new Error('no canvas');
      /** Of colours that lie upon each other, the first lowest. */
      const luminance = (...layers: string[]): number => {
        for (const layer of layers) {
          context.fillStyle = layer;
          context.fillRect(0, 0, 1, 1);
        }
        const [red = 0, green = 0, blue = 0] = [...context.getImageData(0, 0, 1, 1).data].map((value) =>
          value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4,
        );
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
      };
      const ratio = (one: number, other: number): number =>
        (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      const root = getComputedStyle(document.documentElement);
      const of = (name: string): string => root.getPropertyValue(`--${name}`).trim();
      const surface = of('surface');
      const list = document.getElementById('finished') as HTMLElement;
      const badge = (kind: string): number => {
        const made = document.createElement('span');
        made.className = `badge ${kind}`;
        list.append(made);
        const { color, backgroundColor } = getComputedStyle(made);
        made.remove();
        return ratio(luminance(color), luminance(surface, backgroundColor));
      };
      const control = getComputedStyle(document.getElementById('fault-drop') as HTMLElement);
      const onSurface = (name: string): number => ratio(luminance(of(name)), luminance(surface));
      return {
        badges: Math.min(badge('instant'), badge('resumed')),
        border: ratio(luminance(surface, control.borderTopColor), luminance(surface)),
        slices: Math.min(...['in-flight', 'stored', 'retrying', 'resumed'].map(onSurface)),
        flightAndStored: ratio(luminance(of('in-flight')), luminance(of('stored'))),
      };
    });
    expect(contrast.badges, colorScheme).toBeGreaterThanOrEqual(4.5);
    expect(contrast.border, colorScheme).toBeGreaterThanOrEqual(3);
    expect(contrast.slices, colorScheme).toBeGreaterThanOrEqual(3);
    expect(contrast.flightAndStored, colorScheme).toBeGreaterThanOrEqual(1.7);
  }
});
