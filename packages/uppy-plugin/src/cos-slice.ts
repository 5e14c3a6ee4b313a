import {
  type AdaptiveLimiter,
  type Bounds,
  createLimiter,
  type ResumeStore,
  type Upload,
  type UploadResult,
  type UploadSnapshot,
} from '@cos-slice/browser';
import { createIndexedDbStore } from '@cos-slice/browser/ports';
import { BasePlugin, type Body, type DefinePluginOpts, type Meta, type Uppy, type UppyFile } from '@uppy/core';
import { filterFilesToEmitUploadStarted, filterFilesToUpload } from '@uppy/core/utils';
import packageJson from '../package.json' with { type: 'json' };
import { createFileQueue, type FileQueue } from './file-queue.ts';
import { createFileStore } from './file-store.ts';
import { FileUpload } from './file-upload.ts';
import { enUS } from './locale.ts';
import {
  attributesOf,
  type CosSliceOptions,
  checkOptions,
  defaultOptions,
  pathOf,
  pickPassed,
  toSigner,
} from './options.ts';

declare module '@uppy/core' {
  export interface PluginTypeRegistry<M extends Meta, B extends Body> {
    CosSlice: CosSlice<M, B>;
  }
  export interface UppyEventMap<M extends Meta, B extends Body> {
    /** How a file's upload stands: slices, window, counters. At most every 100 ms per file. */
    'cos-slice:state': (file: UppyFile<M, B>, state: UploadSnapshot) => void;
  }
}

/**
 * Uppy rounds 99.5% to 100 and ignores what comes after, so no more than this is shown until finish has succeeded.
 */
const SHOWN_AT_MOST = 0.994;

/**
 * Uploads Uppy's files in slices over the COS JSON API.
 *
 * @throws TypeError from the constructor, with every option that cannot be used
 * @example
 * uppy.use(CosSlice, { endpoint, appId: '10055004', bucket: 'films', signUrl: '/sign' });
 */
export default class CosSlice<M extends Meta, B extends Body> extends BasePlugin<
  DefinePluginOpts<CosSliceOptions<M, B>, keyof typeof defaultOptions>,
  M,
  B
> {
  static VERSION: string = packageJson.version;

  readonly #uploads = new Map<string, FileUpload>();
  readonly #limiter: AdaptiveLimiter;
  readonly #queue: FileQueue;
  #signer: ReturnType<typeof toSigner>;
  #store: ResumeStore | undefined;

  constructor(uppy: Uppy<M, B>, options: CosSliceOptions<M, B>) {
    super(uppy, { ...defaultOptions, ...options });
    checkOptions(this.opts);
    this.type = 'uploader';
    this.id = this.opts.id ?? 'CosSlice';
    this.defaultLocale = enUS;
    this.i18nInit();
    this.#signer = toSigner(this.opts);
    this.#limiter = createLimiter(this.opts.concurrency);
    this.#queue = createFileQueue(mostOf(this.opts.concurrency));
  }

  /** @throws TypeError, and changes nothing */
  override setOptions(options: Partial<CosSliceOptions<M, B>>): void {
    checkOptions({ ...this.opts, ...options });
    super.setOptions(options);
    this.#signer = toSigner(this.opts);
    this.#limiter.resize(this.opts.concurrency);
    this.#queue.resize(mostOf(this.opts.concurrency));
  }

  /** The running upload of a file, for those who want to show more of it. */
  getUpload(fileId: string): Upload | undefined {
    return this.#uploads.get(fileId)?.upload;
  }

  override install(): void {
    this.#setResumable(true);
    this.uppy.addUploader(this.#uploadFiles);
    this.uppy.on('upload-pause', this.#onPause);
    this.uppy.on('pause-all', this.#onPauseAll);
    this.uppy.on('resume-all', this.#onResumeAll);
    this.uppy.on('file-removed', this.#onRemoved);
    this.uppy.on('cancel-all', this.#onCancelAll);
  }

  override uninstall(): void {
    this.uppy.removeUploader(this.#uploadFiles);
    this.uppy.off('upload-pause', this.#onPause);
    this.uppy.off('pause-all', this.#onPauseAll);
    this.uppy.off('resume-all', this.#onResumeAll);
    this.uppy.off('file-removed', this.#onRemoved);
    this.uppy.off('cancel-all', this.#onCancelAll);
    this.#onCancelAll();
    this.#setResumable(false);
  }

  #setResumable(resumableUploads: boolean): void {
    const { capabilities } = this.uppy.getState();
    this.uppy.setState({ capabilities: { ...capabilities, resumableUploads } });
  }

  /** Never rejects: what fails is told per file, or Uppy would count it as successful. */
  readonly #uploadFiles = async (fileIds: string[]): Promise<void> => {
    const files = filterFilesToUpload(this.uppy.getFilesByIds(fileIds));
    this.uppy.emit('upload-start', filterFilesToEmitUploadStarted(files));
    await Promise.all(files.map((file) => this.#uploadFile(file.id)));
  };

  #uploadFile(fileId: string): Promise<void> {
    const running = this.#uploads.get(fileId);
    if (running) return running.ended;
    const file = this.uppy.getFile(fileId);
    if (!file) return Promise.resolve();
    if (file.isRemote) return this.#refuse(file, 'remoteFile');
    const { data } = file;
    if (!(data instanceof Blob)) return this.#refuse(file, 'dataMissing');

    const upload = new FileUpload(this.#queue, (signal) => [data, this.#optionsFor(fileId, signal)], {
      progress: (snapshot) => this.#onProgress(fileId, snapshot),
      success: (_upload, result) => this.#onSuccess(fileId, result),
      failure: (error) => this.#onFailure(fileId, error),
    });
    this.#uploads.set(fileId, upload);
    // A file restored as paused, or paused by somebody who was told of its start, waits to be resumed.
    if (!file.isPaused) upload.resume();
    return upload.ended.then(() => {
      if (this.#uploads.get(fileId) === upload) this.#uploads.delete(fileId);
    });
  }

  #optionsFor(fileId: string, signal: AbortSignal): Parameters<typeof import('@cos-slice/browser').uploadBlob>[1] {
    const file = this.uppy.getFile(fileId);
    const path = pathOf(this.opts, file);
    const attributes = attributesOf(this.opts, file);
    if (this.opts.resume === undefined) this.#store ??= createIndexedDbStore();
    const beneath = this.opts.resume ?? this.#store ?? false;
    return {
      ...pickPassed(this.opts),
      path,
      signal,
      signer: this.#signer,
      concurrency: this.#limiter,
      resume: createFileStore(this.uppy, fileId, path, beneath),
      ...(attributes === undefined ? {} : { attributes }),
    };
  }

  #refuse(file: UppyFile<M, B>, reason: 'remoteFile' | 'dataMissing'): Promise<void> {
    this.uppy.emit('upload-error', file, new Error(this.i18n(reason)));
    return Promise.resolve();
  }

  #onProgress(fileId: string, snapshot: UploadSnapshot): void {
    const file = this.uppy.getFile(fileId);
    if (!file) return;
    this.uppy.emit('cos-slice:state', file, snapshot);
    const { uploadStarted } = file.progress;
    if (!uploadStarted || snapshot.phase === 'done') return;
    const { sizeBytes, fraction } = snapshot.progress;
    const bytesUploaded = Math.floor(Math.min(fraction, SHOWN_AT_MOST) * sizeBytes);
    this.uppy.emit('upload-progress', file, { uploadStarted, bytesUploaded, bytesTotal: sizeBytes });
  }

  #onSuccess(fileId: string, result: UploadResult): void {
    const file = this.uppy.getFile(fileId);
    if (!file) return;
    this.uppy.emit('upload-success', file, {
      status: 200,
      uploadURL: result.accessUrl || result.url,
      bytesUploaded: file.size ?? 0,
      // The body's type is the application's to say.
      body: { ...result } as unknown as B,
    });
  }

  #onFailure(fileId: string, error: Error): void {
    const file = this.uppy.getFile(fileId);
    if (file) this.uppy.emit('upload-error', file, error);
  }

  readonly #onPause = (file: UppyFile<M, B> | undefined, isPaused: boolean): void => {
    const upload = file && this.#uploads.get(file.id);
    if (isPaused) upload?.pause();
    else upload?.resume();
  };

  readonly #onPauseAll = (): void => {
    // All first, so that no place that becomes free is taken by one that is about to be paused.
    for (const upload of [...this.#uploads.values()].reverse()) upload.pause();
  };

  readonly #onResumeAll = (): void => {
    for (const upload of this.#uploads.values()) upload.resume();
  };

  readonly #onRemoved = (file: UppyFile<M, B>): void => {
    this.#uploads.get(file.id)?.cancel();
    this.#uploads.delete(file.id);
  };

  readonly #onCancelAll = (): void => {
    for (const upload of [...this.#uploads.values()].reverse()) upload.cancel();
    this.#uploads.clear();
  };
}

function mostOf(concurrency: number | Bounds): number {
  return typeof concurrency === 'number' ? concurrency : concurrency.max;
}
