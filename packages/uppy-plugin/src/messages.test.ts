import { CosSliceError, createSigner, type ErrorCode, isCosSliceError } from '@cos-slice/core';
import Uppy from '@uppy/core';
import uppyZhCN from '@uppy/locales/lib/zh_CN.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { translate } from './failure.ts';
import CosSlice, { enUS, zhCN } from './index.ts';
import { ACCOUNT, add, createSetting, of, type Setting, setUp } from './testing/setting.ts';

let setting: Setting;
beforeEach(async () => {
  setting = await createSetting();
});
afterEach(() => setting.close());

const CHINESE = /^[^A-Za-z]*$/;

describe('locales', () => {
  test('every key of English is there in Chinese, and no other', () => {
    expect(Object.keys(zhCN.strings).sort()).toEqual(Object.keys(enUS.strings).sort());
  });

  test('Chinese has no English in it, and the same values to fill in', () => {
    const holes = (text: string): string[] => text.match(/%\{\w+\}/g) ?? [];
    for (const [key, text] of Object.entries(zhCN.strings)) {
      expect(text.replace(/%\{\w+\}/g, ''), key).toMatch(CHINESE);
      expect(text, key).toMatch(/\p{Script=Han}/u);
      expect(holes(text), key).toEqual(holes(enUS.strings[key as keyof typeof enUS.strings]));
    }
  });

  test("they have no key of Uppy's own: both go into one table", () => {
    const own = new Set(Object.keys(uppyZhCN.strings));
    expect(Object.keys(enUS.strings).filter((key) => own.has(key))).toEqual([]);
  });
});

describe('failures', () => {
  test('are told in the language of the page, with the code, and with what the library said for those who develop', async () => {
    for (const [locale, message] of [
      [enUS, enUS.strings['failed-unauthorized']],
      [zhCN, zhCN.strings['failed-unauthorized']],
    ] as const) {
      const { uppy, heard } = setUp(setting, {
        signer: createSigner({ ...ACCOUNT, secretKey: 'WRONG', bucket: 'demobucket' }),
        locale,
      });
      let told: unknown;
      uppy.on('upload-error', (_, error) => {
        told = error;
      });
      const id = add(uppy, 2);
      const result = await uppy.upload();
      expect(result?.failed?.map((file) => file.id)).toEqual([id]);
      expect(of(heard, 'upload-error').map(({ detail }) => detail)).toEqual([message]);
      expect(uppy.getFile(id).error).toBe(message);
      expect(isCosSliceError(told, 'unauthorized')).toBe(true);
      expect(told).toMatchObject({
        wireCode: expect.any(Number),
        cause: { message: expect.stringContaining('secret key') },
      });
    }
  });

  test('every code has a sentence; one that a newer copy brings along is passed on as it is', () => {
    const i18n = new Uppy()
      .use(CosSlice, {
        endpoint: setting.endpoint,
        appId: '1',
        bucket: 'b',
        signUrl: '/sign',
        locale: zhCN,
      })
      .getPlugin('CosSlice')?.i18n;
    if (!i18n) throw new Error('the plugin is installed');
    const codes = Object.keys(enUS.strings).flatMap((key) => /^failed-(.*)$/.exec(key)?.[1] ?? []);
    for (const code of codes) {
      const { message } = translate(new CosSliceError(code as ErrorCode, 'English'), i18n);
      expect(message, code).toBe(zhCN.strings[`failed-${code as ErrorCode}`]);
    }
    const newer = new CosSliceError('of-tomorrow' as ErrorCode, 'English');
    expect(translate(newer, i18n)).toBe(newer);
    const foreign = new Error("the application's own");
    expect(translate(foreign, i18n)).toBe(foreign);
  });

  test('remote files, in the language of the application', async () => {
    const { uppy, heard } = setUp(setting, { locale: zhCN });
    uppy.addFile({
      name: 'remote.bin',
      data: { size: 5 } as never,
      isRemote: true,
      remote: { companionUrl: 'http://c', url: 'http://c/x', requestClientId: 'x' },
    } as never);
    const result = await uppy.upload();
    expect(result?.failed).toHaveLength(1);
    expect(of(heard, 'upload-error')[0]?.detail).toMatch(/^[^A-Za-z]*远程[^A-Za-z]*$/);
  });

  test("strings in Uppy's own locale, and the language at the time, are what counts", async () => {
    const { uppy, heard } = setUp(setting, { path: () => 'a|b' });
    add(uppy, 1);
    await uppy.upload();
    uppy.setOptions({ locale: { ...uppyZhCN, strings: { ...uppyZhCN.strings, ...zhCN.strings } } });
    await uppy.retryAll();
    expect(of(heard, 'upload-error').map(({ detail }) => detail)).toEqual([
      enUS.strings['failed-invalid-options'],
      zhCN.strings['failed-invalid-options'],
    ]);
  });
});
