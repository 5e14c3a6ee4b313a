import type { CosSliceError } from '../errors.ts';
import type { UploadOptions } from '../options/options.ts';
import type { ByteRange, Hasher, Network, Platform, ResumeRecord, ResumeStore, SignClaim, Source } from '../ports.ts';
import { jsonApi } from '../protocol/json-api/index.ts';
import { createUpload } from '../upload/create-upload.ts';
import { type Late, startUpload } from '../upload/start-upload.ts';
import type { Upload } from '../upload/upload.ts';
import { createManualClock, type ManualClock } from './manual-clock.ts';
import {
  createScriptedTransport,
  type ScriptedReply,
  type ScriptedRequest,
  type ScriptedTransport,
} from './scripted-transport.ts';

// What the tests of uploads share: a server that does what the protocol says unless a test says otherwise, and a source whose
// slices are their ranges.

export const SLICE: number = 64 * 1024;
export const SHA: string = 'c'.repeat(40);
export const FOUND = {
  access_url: 'http://dl/o',
  source_url: 'http://src/o',
  url: 'http://api/o',
  resource_path: '/1/b/o',
} as const;
/** Where the uploads go, and what a resume store knows them by. */
export const KEY = 'http://cos.test/files/v2/10055004/demobucket/dir/name.bin';

/** Undefined: as the protocol says. */
export type Answer = (
  request: ScriptedRequest<ByteRange>,
  index: number,
) => ScriptedReply | Promise<ScriptedReply> | undefined;

export const ok = (data: object): ScriptedReply => ({ json: { code: 0, message: 'SUCCESS', data } });
export const refuse = (code: number, status: number, headers: Record<string, string> = {}): ScriptedReply => ({
  status,
  headers,
  json: { code, message: `ERROR_${-code}`, request_id: 'r1' },
});

/** A server that does what the protocol says. */
export function happy({ fields }: Pick<ScriptedRequest<ByteRange>, 'fields'>): ScriptedReply {
  switch (fields.op) {
    case 'upload_slice_init':
      return ok({ session: 's1', slice_size: SLICE });
    case 'upload_slice_data':
      return ok({ session: fields.session, offset: Number(fields.offset) });
    case 'upload_slice_list':
      return refuse(-197, 404);
    default:
      return ok(FOUND);
  }
}

export interface SettingOptions {
  readonly size?: number;
  readonly answer?: Answer;
  readonly options?: Partial<UploadOptions>;
  readonly source?: Partial<Source<ByteRange>>;
  readonly hasher?: Partial<Hasher<ByteRange>>;
  readonly network?: Network;
  /** What is loaded late is loaded so. Default: all is at hand. */
  readonly late?: Pick<Late, 'detours' | 'recorder'>;
  /** Instead of the transport's own. */
  readonly send?: Platform<ByteRange>['transport']['send'];
}

export interface Setting {
  readonly clock: ManualClock;
  readonly transport: ScriptedTransport<ByteRange>;
  readonly claims: SignClaim[];
  /** Slices that were read, and those that were released. */
  readonly slices: ByteRange[];
  readonly released: ByteRange[];
  readonly source: Source<ByteRange>;
  start(more?: Partial<UploadOptions>): Upload;
  open(openSource: () => Promise<Source<ByteRange>>, more?: Partial<UploadOptions>, sizeBytes?: number): Upload;
}

export function setUp(setting: SettingOptions): Setting {
  const clock = createManualClock();
  const transport = createScriptedTransport<ByteRange>(
    (request, index) => setting.answer?.(request, index) ?? happy(request),
  );
  const claims: SignClaim[] = [];
  const slices: ByteRange[] = [];
  const released: ByteRange[] = [];
  const source: Source<ByteRange> = {
    sizeBytes: setting.size ?? 10 * SLICE,
    async slice(range) {
      slices.push(range);
      return range;
    },
    release: (range) => void released.push(range),
    identity: async () => 'content-1',
    ...setting.source,
  };
  const hasher: Hasher<ByteRange> = {
    combine: async (algorithm) => `${algorithm}-whole`,
    digest: async (algorithm, range) => `${algorithm}-${range.offset}`,
    uploadParts: async (_source, sliceSizeBytes) => ({
      sha: SHA,
      parts: [{ offset: 0, datalen: sliceSizeBytes, datasha: SHA }],
    }),
    ...setting.hasher,
  };
  const { network, send, late } = setting;
  const platform: Platform<ByteRange> = {
    transport: send ? { ...transport, send } : transport,
    hasher,
    clock,
    random: () => 0.5,
    ...(network && { network }),
  };
  const open: Setting['open'] = (openSource, more = {}, sizeBytes) => {
    const options = {
      endpoint: 'http://cos.test/files/v2',
      appId: '10055004',
      bucket: 'demobucket',
      path: 'dir/name.bin',
      signer: (claim: SignClaim) => {
        claims.push(claim);
        return `U0lHTkFUVVJF${claims.length}===`.slice(0, 16);
      },
      sliceSize: SLICE,
      concurrency: 3,
      retry: { baseDelayMs: 1000 },
      ...setting.options,
      ...more,
    };
    return late
      ? startUpload(openSource, options, platform, { wire: jsonApi, whenTaken: () => undefined, ...late }, sizeBytes)
      : createUpload(openSource, options, platform, sizeBytes);
  };
  return { clock, transport, claims, slices, released, source, open, start: (more) => open(async () => source, more) };
}

/** What says whether there is a network, and can be told. */
export interface SwitchedNetwork extends Network {
  set(online: boolean): void;
  readonly listeners: number;
}

export function switchedNetwork(online = true): SwitchedNetwork {
  let state = online;
  const listeners = new Set<() => void>();
  return {
    online: () => state,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    set(next) {
      state = next;
      for (const listener of listeners) listener();
    },
    get listeners() {
      return listeners.size;
    },
  };
}

export interface MemoryStore extends ResumeStore {
  readonly records: Map<string, ResumeRecord>;
}

export function memoryStore(records: Map<string, ResumeRecord> = new Map()): MemoryStore {
  return {
    records,
    load: async (key) => records.get(key),
    save: async (key, record) => void records.set(key, record),
    remove: async (key) => void records.delete(key),
  };
}

export const record = (facts: Partial<ResumeRecord> = {}): ResumeRecord => ({
  version: 1,
  identity: 'content-1',
  sizeBytes: 10 * SLICE,
  sliceSizeBytes: SLICE,
  session: 's1',
  savedAtMs: 0,
  ...facts,
});

/** An unfinished upload that has these slices. */
export const listed = (indices: readonly number[], more: object = {}): ScriptedReply =>
  ok({
    session: 's1',
    slice_size: SLICE,
    filesize: 10 * SLICE,
    listparts: indices.map((index) => ({ offset: index * SLICE, datalen: SLICE })),
    ...more,
  });

/** The code that a promise rejects with; undefined when it does not. */
export const code = (promise: Promise<unknown>): Promise<string | undefined> =>
  promise.then(
    () => undefined,
    (error: CosSliceError) => error.code ?? error,
  );

/** Those lines of a transcript that are slices. */
export const sends = (transcript: readonly string[]): string[] =>
  transcript.filter((line) => line.startsWith('upload_slice_data'));
