import { expect, test } from 'vitest';
import { demo, page, useDemo } from './setting.ts';

useDemo();

const control = (fault: string) => page.locator(`#fault-${fault}`);
const isOn = (fault: string): Promise<boolean> => control(fault).isChecked();

test('a switch stays where it was put while its answer is on the way and older news comes in', async () => {
  await page.route('**/demo/faults', async (route) => {
    await page.waitForTimeout(1500);
    await route.fallback();
  });
  await control('busy').check();
  // The server's news of something else, in which this switch is off.
  demo.faults.set({ drop: true });
  await expect.poll(() => isOn('drop')).toBe(true);
  expect(await isOn('busy')).toBe(true);
  expect(demo.faults.state().faults.busy).toBe(false);
  await expect.poll(() => demo.faults.state().faults.busy).toBe(true);
  expect([await isOn('busy'), await isOn('drop')]).toEqual([true, true]);
});

test('news that was overtaken by an answer changes nothing', async () => {
  const off = { drop: false, busy: false, stall: false, slow: false, expire: false, lose: false };
  const news = (version: number, faults: object): string =>
    JSON.stringify({ run: 'one', version, preflights: version, faults: { ...off, ...faults }, struck: off });
  let told = 0;
  await page.route('**/demo/events', (route) => {
    told += 1;
    const data = news(told === 1 ? 1 : 2, {});
    return route.fulfill({ contentType: 'text/event-stream', body: `retry: 100\ndata: ${data}\n\n` });
  });
  await page.route('**/demo/faults', (route) => route.fulfill({ json: JSON.parse(news(3, { stall: true })) }));
  await page.reload();
  await expect.poll(() => told).toBeGreaterThan(0);
  await control('stall').check();
  const before = told;
  await expect.poll(() => told).toBeGreaterThan(before + 2);
  expect(await isOn('stall')).toBe(true);
});

test('of clicks in a row the last one counts, however slow the answers are', async () => {
  let asked = 0;
  await page.route('**/demo/faults', async (route) => {
    asked += 1;
    // The first is the slowest.
    await page.waitForTimeout(asked === 1 ? 900 : 50);
    await route.fallback();
  });
  for (const on of [true, false, true, false]) await control('slow').setChecked(on);
  await control('expire').setChecked(true);
  await expect.poll(() => demo.faults.state().faults.expire).toBe(true);
  await expect.poll(() => demo.faults.state().faults.slow).toBe(false);
  await page.waitForTimeout(500);
  expect([await isOn('slow'), await isOn('expire')]).toEqual([false, true]);
  expect(demo.faults.state().faults).toMatchObject({ slow: false, expire: true });
});

test('a switch goes back, and says why, when the server does not take it', async () => {
  await page.route('**/demo/faults', (route) => route.abort());
  await control('drop').click();
  await page.getByText('The demo server does not answer.').waitFor({ state: 'attached' });
  await expect.poll(() => isOn('drop')).toBe(false);
  await page.unroute('**/demo/faults');
  await control('drop').check();
  await expect.poll(() => demo.faults.state().faults.drop).toBe(true);
});

test('a click meant for what a switch has just shown does not move it back', async () => {
  await control('lose').check();
  await expect.poll(() => demo.faults.state().faults.lose).toBe(true);
  // It moves by itself, and in the same moment somebody wants the same.
  await page.evaluate(() => {
    const input = document.getElementById('fault-lose') as HTMLInputElement;
    Object.assign(window, {
      clicked: new Promise<void>((resolve) => {
        const look = (): void => {
          if (input.checked) return void requestAnimationFrame(look);
          input.click();
          resolve();
        };
        look();
      }),
    });
  });
  demo.faults.set({ lose: false });
  await page.evaluate(() => (window as unknown as { clicked: Promise<void> }).clicked);
  expect(await isOn('lose')).toBe(false);
  await page.waitForTimeout(600);
  expect([await isOn('lose'), demo.faults.state().faults.lose]).toEqual([false, false]);
  await control('lose').check();
  await expect.poll(() => demo.faults.state().faults.lose).toBe(true);
});
