import type { Page } from 'playwright-core';
import { expect, test } from 'vitest';
import {
  add,
  context,
  demo,
  expectFinished,
  legend,
  MB,
  makeFile,
  openPage,
  page,
  RESUMED,
  stored,
  turn,
  untilStored,
  useDemo,
} from './setting.ts';

useDemo();

test('every tab keeps uploads of its own, also one that was made from another', async () => {
  const source = await makeFile('mine.bin', 30 * MB);
  await turn('slow', true);
  await add(source);
  await untilStored(2);
  const items = (tab: Page): Promise<number> => tab.locator('.uppy-Dashboard-Item').count();

  const other = await context.newPage();
  await other.goto(demo.url);
  // It comes with the session storage of the first.
  const [copy] = await Promise.all([
    context.waitForEvent('page'),
    page.evaluate(() => void window.open(location.href)),
  ]);
  for (const tab of [other, copy]) {
    await tab.locator('body[data-ready]').waitFor();
    await tab.waitForTimeout(1000);
    expect(await items(tab)).toBe(0);
  }
  await Promise.all([other, copy].map((tab) => tab.reload()));
  await page.locator('#reload').click();
  await page.waitForLoadState('load');
  await untilStored(3);
  expect(await items(page)).toBe(1);
  for (const tab of [other, copy]) expect(await items(tab)).toBe(0);
  await turn('slow', false);
  await expectFinished('mine.bin', source);
});

/** What Golden Retriever has on record, in one of its stores. */
const onRecord = (store: 'files' | 'metadata'): Promise<{ name?: string; metadata?: string }[]> =>
  page.evaluate(
    (name) =>
      new Promise((resolve) => {
        const opening = indexedDB.open('uppy-blobs');
        opening.onsuccess = () => {
          const all = opening.result.transaction(name).objectStore(name).getAll();
          // A file’s content cannot leave the page.
          all.onsuccess = () => resolve(all.result.map(({ data, metadata }) => ({ name: data?.name, metadata })));
          opening.result.close();
        };
      }),
    store,
  );

/** Until a reload finds a file's content, and that it is being uploaded or paused: the page puts both on record when it gets round to it. */
const untilKept = async (name: string, { isPaused = false } = {}): Promise<void> => {
  await expect.poll(async () => (await onRecord('files')).map((one) => one.name)).toContain(name);
  const noted = async (): Promise<unknown> => {
    const records = (await onRecord('metadata')).map(({ metadata = '{}' }) => JSON.parse(metadata).files ?? {});
    const files = records.flatMap((one) => Object.values<{ name: string; isPaused?: boolean; progress: object }>(one));
    return files.map((file) => [file.name, 'uploadStarted' in file.progress, file.isPaused === true]);
  };
  await expect.poll(noted).toContainEqual([name, true, isPaused]);
};

test('a file that has arrived is not asked for after a reload, however soon that comes', async () => {
  for (const [index, waitMs] of [0, 0, 0, 20, 200, 200, 500].entries()) {
    const name = `soon-${index}.bin`;
    await add(await makeFile(name, 3 * MB));
    // In the page: what comes between must not take longer than it says.
    await page.evaluate(
      ([wanted, ms]) =>
        new Promise((resolve) => {
          const look = setInterval(() => {
            const rows = [...document.querySelectorAll('#finished li')];
            if (!rows.some((row) => row.textContent?.includes(wanted))) return;
            clearInterval(look);
            setTimeout(resolve, ms);
          }, 5);
        }),
      [name, waitMs] as const,
    );
    await page.reload();
    // There is room for the next one at once, with no word of this one.
    await page.locator('.uppy-Dashboard-input').first().waitFor({ state: 'attached' });
    expect(await page.locator('.uppy-Dashboard-Item').count()).toBe(0);
  }
});

for (const [how, again] of [
  ['F5', () => page.reload()],
  ['the button', () => page.locator('#reload').click()],
  [
    'a closed tab and a new one',
    async () => {
      await page.close();
      await openPage();
    },
  ],
] as const) {
  test(`an upload goes on by itself after ${how}`, async () => {
    const source = await makeFile('left.bin', 24 * MB);
    await turn('slow', true);
    await add(source);
    await untilStored(2);
    await untilKept('left.bin');
    await again();
    await untilStored(3);
    expect(await legend(RESUMED)).toBeGreaterThanOrEqual(2);
    expect(await page.getByRole('button', { name: /^Upload/ }).count()).toBe(0);
    await turn('slow', false);
    await expectFinished('left.bin', source);
  });
}

test('several files go on after a reload, a failed one is tried again, and a paused one stays so', async () => {
  const sources = await Promise.all(['one', 'two', 'three'].map((name) => makeFile(`${name}.bin`, 12 * MB)));
  const isFailing = { on: true };
  await page.route(/\/demo\/two\.bin/, (route) =>
    isFailing.on ? route.fulfill({ status: 403, body: 'no' }) : route.fallback(),
  );
  await turn('slow', true);
  await add(...sources);
  await untilStored(2);
  await page.locator('.uppy-Dashboard-Item.is-error', { hasText: 'two.bin' }).waitFor();
  const item = page.locator('.uppy-Dashboard-Item', { hasText: 'three.bin' });
  await item.getByRole('button', { name: 'Pause upload' }).click();
  await item.getByRole('button', { name: 'Resume upload' }).waitFor();
  for (const name of ['one', 'two', 'three']) await untilKept(`${name}.bin`, { isPaused: name === 'three' });
  isFailing.on = false;
  await page.reload();
  await turn('slow', false);
  for (const at of [0, 1]) await expectFinished(['one.bin', 'two.bin'][at] ?? '', sources[at] ?? '');
  await item.getByRole('button', { name: 'Resume upload' }).click();
  await expectFinished('three.bin', sources[2] ?? '');
});

test('a file whose content did not survive is asked for, the others go on, and it continues when it is added again', async () => {
  const [kept, lost] = await Promise.all(['kept.bin', 'lost.bin'].map((name) => makeFile(name, 14 * MB)));
  await turn('slow', true);
  await add(kept ?? '', lost ?? '');
  await untilStored(4);
  for (const name of ['kept.bin', 'lost.bin']) await untilKept(name);
  await page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        const opening = indexedDB.open('uppy-blobs');
        opening.onsuccess = () => {
          const files = opening.result.transaction('files', 'readwrite').objectStore('files');
          files.openCursor().onsuccess = ({ target }) => {
            const cursor = (target as IDBRequest<IDBCursorWithValue | null>).result;
            if (!cursor) return resolve();
            if (cursor.value.data.name === 'lost.bin') cursor.delete();
            cursor.continue();
          };
        };
      }),
  );
  await page.reload();
  await page.locator('.uppy-Dashboard-Item.is-ghost', { hasText: 'lost.bin' }).waitFor();
  await turn('slow', false);
  await expectFinished('kept.bin', kept ?? '');
  expect(await page.locator('.uppy-Dashboard-Item.is-error').count()).toBe(0);
  await page.getByRole('button', { name: 'Re-select' }).click();
  await add(lost ?? '');
  await expectFinished('lost.bin', lost ?? '');
  await page.locator('#finished li', { hasText: 'lost.bin' }).locator('.badge.resumed').waitFor();
});

test('what is paused stays so when the page is reloaded', async () => {
  const source = await makeFile('pausing.bin', 30 * MB);
  await turn('slow', true);
  await add(source);
  await untilStored(2);
  await page.getByRole('button', { name: 'Pause', exact: true }).click();
  await page.getByText(/^Paused at/).waitFor();
  await untilKept('pausing.bin', { isPaused: true });
  await page.locator('#reload').click();
  await page.waitForLoadState('load');
  const resume = page.getByRole('button', { name: 'Resume', exact: true });
  await resume.waitFor();
  await page.waitForTimeout(1500);
  expect(await stored()).toBe(0);
  await turn('slow', false);
  await resume.click();
  await expectFinished('pausing.bin', source);
});
