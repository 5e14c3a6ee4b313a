import type { UploadSnapshot } from '@cos-slice/browser';
import Uppy, { BasePlugin, type Body, type Meta } from '@uppy/core';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { enUS, zhCN } from './index.ts';
import { createStatusLine, statusOf } from './status.ts';
import { add, createSetting, type Setting, SLICE, setUp, until } from './testing/setting.ts';

type Facts = Partial<Omit<UploadSnapshot, 'progress'>> & {
  inFlight?: number;
  hashedBytes?: number;
  sizeBytes?: number;
};

function snapshot({ inFlight = 0, hashedBytes = 0, sizeBytes = 100, ...state }: Facts): UploadSnapshot {
  const slices = { total: 9, stored: 0, inFlight, retrying: 0 };
  const progress = { slices, hashedBytes, sizeBytes };
  return { phase: 'sending', paused: false, online: true, ...state, progress } as unknown as UploadSnapshot;
}

const keyOf = (...facts: Facts[]): string | undefined => statusOf(facts.map(snapshot))?.key;

describe('what is said of uploads', () => {
  test('nothing while bytes are on their way, while all is paused, and when nothing runs', () => {
    expect(keyOf()).toBeUndefined();
    expect(keyOf({ inFlight: 1 })).toBeUndefined();
    expect(keyOf({ phase: 'hashing' }, { inFlight: 2 })).toBeUndefined();
    expect(keyOf({ phase: 'hashing', paused: true }, { phase: 'done' }, { phase: 'failed' })).toBeUndefined();
    expect(keyOf({ phase: 'opening' })).toBeUndefined();
  });

  test('that the network is waited for, whatever else is being done', () => {
    expect(keyOf({ online: false, waitingFor: 'network' })).toBe('statusWaitingForNetwork');
    expect(keyOf({ phase: 'opening', waitingFor: 'network' }, { phase: 'hashing' })).toBe('statusWaitingForNetwork');
    expect(keyOf({ phase: 'finishing', waitingFor: 'network' })).toBe('statusWaitingForNetwork');
    expect(keyOf({ waitingFor: 'network' }, { inFlight: 1 })).toBeUndefined();
  });

  test('that it is tried again, in any phase', () => {
    for (const phase of ['opening', 'sending', 'finishing'] as const) {
      expect(keyOf({ phase, waitingFor: 'retry' }), phase).toBe('statusRetrying');
    }
  });

  test('not what waits for its turn only', () => {
    expect(keyOf({ waitingFor: 'place' }, { phase: 'hashing' })).toBe('statusHashing');
    expect(keyOf({ waitingFor: 'place' })).toBeUndefined();
  });

  test('how much is hashed, of all that is being hashed', () => {
    const both = [
      { phase: 'hashing', hashedBytes: 30, sizeBytes: 100 },
      { phase: 'hashing', hashedBytes: 70, sizeBytes: 300 },
    ] as const;
    expect(statusOf(both.map(snapshot))).toEqual({ key: 'statusHashing', percent: 25 });
    expect(keyOf({ phase: 'finishing' })).toBe('statusFinishing');
  });
});

interface BarOptions {
  readonly id?: string;
  readonly locale?: { readonly strings: Record<string, string> };
}

/** What the plugin looks for in a status bar: a word for "uploading". */
class Bar<M extends Meta, B extends Body> extends BasePlugin<BarOptions, M, B> {
  constructor(uppy: Uppy<M, B>, options: BarOptions) {
    super(uppy, options);
    this.type = 'progressindicator';
    this.id = options.id ?? 'Bar';
    this.defaultLocale = { strings: { uploading: 'Uploading', paused: 'Paused' } };
    this.i18nInit();
  }
}

describe('where it is said', () => {
  const words = (uppy: Uppy, id = 'Bar'): string | undefined => uppy.getPlugin(id)?.i18n('uploading');

  test('in every bar, whose own words come back afterwards', () => {
    const own = { strings: { uploading: 'Hinauf', paused: 'Pause' } };
    const uppy = new Uppy().use(Bar, {}).use(Bar, { id: 'Second', locale: own });
    const line = createStatusLine(uppy);
    line.show('Waiting');
    line.show('Waiting still');
    expect([words(uppy), words(uppy, 'Second')]).toEqual(['Waiting still', 'Waiting still']);
    expect(uppy.getPlugin('Second')?.i18n('paused')).toBe('Pause');
    line.show(undefined);
    expect([words(uppy), words(uppy, 'Second')]).toEqual(['Uploading', 'Hinauf']);
    expect(uppy.getPlugin('Second')?.opts).toMatchObject({ locale: own });
  });

  test('a language that is chosen meanwhile stays chosen', () => {
    const uppy = new Uppy().use(Bar, {});
    const line = createStatusLine(uppy);
    line.show('Waiting');
    uppy.setOptions({ locale: { strings: { uploading: '正在上传' } } as never });
    expect(words(uppy)).toBe('正在上传');
    line.show('正在等待');
    expect(words(uppy)).toBe('正在等待');
    line.show(undefined);
    expect(words(uppy)).toBe('正在上传');
  });

  test('what says nothing new changes no state', () => {
    const uppy = new Uppy().use(Bar, {});
    const line = createStatusLine(uppy);
    line.show('Waiting');
    let changes = 0;
    uppy.on('state-update', () => {
      changes += 1;
    });
    line.show('Waiting');
    expect(changes).toBe(0);
    line.show(undefined);
    const after = changes;
    line.show(undefined);
    expect(changes).toBe(after);
  });
});

describe('during real uploads', () => {
  let setting: Setting;
  beforeEach(async () => {
    setting = await createSetting();
  });
  afterEach(() => setting.close());

  const finish = async (locale: typeof enUS): Promise<string[]> => {
    const { uppy } = setUp(setting, { locale });
    uppy.use(Bar, {});
    const said: string[] = [];
    uppy.on('state-update', () => {
      const word = uppy.getPlugin('Bar')?.i18n('uploading') ?? '';
      if (word !== said.at(-1)) said.push(word);
    });
    let refused = 0;
    setting.intercept = async (req, res) => {
      const isSlice = Number(req.headers['content-length']) >= SLICE;
      if (isSlice && refused < 2) {
        refused += 1;
        req.resume();
        // Long enough for a bar that is told at most every tenth of a second.
        res.writeHead(503, { 'Retry-After': '1' }).end('busy');
        return true;
      }
      if (!isSlice && setting.requests.filter(({ op }) => op === 'upload_slice_data').length >= 2) {
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      return false;
    };
    add(uppy, 2);
    const result = await uppy.upload();
    expect(result?.failed).toEqual([]);
    await until(() => uppy.getPlugin('Bar')?.i18n('uploading') === 'Uploading', 'the bar has its own word again');
    return said;
  };

  test('a bar says that slices are tried again and that the upload is being finished, in the language of the page', async () => {
    for (const locale of [enUS, zhCN]) {
      const said = await finish(locale);
      expect(said).toContain(locale.strings.statusRetrying);
      expect(said).toContain(locale.strings.statusFinishing);
      expect(said.at(-1)).toBe('Uploading');
    }
  });
});
