import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { enUS, zhCN } from '@cos-slice/uppy-plugin';
import { expect, test } from 'vitest';
import { add, demo, expectFinished, MB, makeFile, page, turn, useDemo } from './setting.ts';

useDemo();

test('the map says in words what it shows, and the keyboard reaches every switch', async () => {
  const source = await makeFile('words.bin', 8_000_000);
  await add(source);
  await expectFinished('words.bin', source);
  const label = 'words.bin: 4 slices. 4 stored, 0 resumed, 0 in flight, 0 retrying, 0 waiting.';
  await page.getByRole('img', { name: label }).waitFor();
  await page.locator('#fault-drop').focus();
  await page.keyboard.press('Space');
  await expect.poll(() => demo.faults.state().faults.drop).toBe(true);
  for (const fault of ['busy', 'stall', 'slow', 'expire', 'lose']) {
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe(`fault-${fault}`);
  }
});

/** All that is said from now on to those who do not see the page. */
async function listen(): Promise<() => Promise<string[]>> {
  await page.evaluate(() => {
    const said: string[] = [];
    Object.assign(window, { said });
    const announcer = document.getElementById('announcer') as HTMLElement;
    new MutationObserver(() => said.push(announcer.textContent ?? '')).observe(announcer, { childList: true });
  });
  return () => page.evaluate(() => (window as unknown as { said: string[] }).said);
}

test('many files are spoken of by their number, and what is cancelled or removed is said', async () => {
  const said = await listen();
  await add(...(await Promise.all(Array.from({ length: 30 }, (_, at) => makeFile(`said-${at}.bin`, 3000)))));
  await page.locator('#finished li', { hasText: 'said-29.bin' }).waitFor();
  await expect.poll(said).toEqual(['The upload of 30 files has started.', '30 of 30 files are uploaded.']);
  await page.locator('.uppy-Dashboard-Item').first().waitFor({ state: 'detached' });
  expect(await said()).toHaveLength(2);

  await turn('slow', true);
  await add(await makeFile('said-a.bin', 9 * MB), await makeFile('said-b.bin', 9 * MB));
  await page
    .getByText(/^Sending/)
    .first()
    .waitFor();
  const item = page.locator('.uppy-Dashboard-Item', { hasText: 'said-a.bin' });
  await item.getByRole('button', { name: 'Remove file' }).click();
  await expect.poll(said).toContain('said-a.bin is removed.');
  await page.getByRole('button', { name: 'Cancel', exact: true }).first().click();
  await expect.poll(async () => (await said()).at(-1)).toBe('The upload is cancelled.');
});

test('a failure is told with what to do about it, in the language of the page', async () => {
  await page.route('**/sign', (route) => route.fulfill({ status: 403, body: 'no' }));
  const said = await listen();
  await page.getByRole('button', { name: '中文' }).click();
  await add(await makeFile('unsigned.bin', MB));
  const reason = zhCN.strings['failed-signing-failed'];
  await page.getByText(`失败：${reason}`, { exact: true }).waitFor();
  await expect.poll(async () => (await said()).at(-1)).toBe(`unsigned.bin 上传失败：${reason}`);
  // In what Uppy shows, too.
  expect(await page.locator('.uppy-Informer [role=tooltip]').first().getAttribute('aria-label')).toBe(reason);
  const [dialog] = await Promise.all([
    page.waitForEvent('dialog'),
    page.locator('.uppy-StatusBar-details').click({ noWaitAfter: true }),
    page.once('dialog', (one) => void one.dismiss()),
  ]);
  expect(dialog.message()).toContain(reason);
  await page.getByRole('button', { name: 'English' }).click();
  await page.getByText(`Failed. ${enUS.strings['failed-signing-failed']}`, { exact: true }).waitFor();
});

test('names that the protocol refuses are made to fit it', async () => {
  await page.evaluate(() => {
    const data = new DataTransfer();
    data.items.add(new File(['hello'], '目录 a?b "c".txt', { type: 'text/plain' }));
    const input = document.querySelector<HTMLInputElement>('.uppy-Dashboard-input');
    if (!input) throw new Error('no input');
    input.files = data.files;
    input.dispatchEvent(new Event('change', { bubbles: true }));
  });
  await page.locator('#finished li[data-disk=same]').waitFor();
  expect((await stat(join(demo.filesDir, '目录 a_b _c_.txt'))).size).toBe(5);
});
