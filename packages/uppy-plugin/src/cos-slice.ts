import {
  type AdaptiveLimiter,
  type Bounds,
  createLimiter,
  type ResumeStore,
  type Upload,
  type UploadBlobOptions,
  type UploadResult,
  type UploadSnapshot,
} from '@cos-slice/browser';
import { type AdjustableSeats, createIndexedDbStore, createSeats } from '@cos-slice/browser/ports';
import { BasePlugin, type Body, type DefinePluginOpts, type Meta, type Uppy, type UppyFile } from '@uppy/core';
import { filterFilesToEmitUploadStarted, filterFilesToUpload } from '@uppy/core/utils';
import packageJson from '../package.json' with { type: 'json' };
import { translate } from './failure.ts';
import { createFileStore } from './file-store.ts';
import { FileUpload } from './file-upload.ts';
import { enUS } from './locale.ts';
import { createObjectPaths, fitPath, type GivenPath, type ObjectPaths } from './object-paths.ts';
import {
  attributesOf,
  boundsOf,
  type CosSliceOptions,
  checkOptions,
  defaultOptions,
  nameOf,
  pickPassed,
  toSigner,
} from './options.ts';
import { createStatusLine, type StatusLine, statusOf } from './status.ts';

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
  /** By path: uploads that were cancelled and still hold on to it, for a moment. */
  readonly #leaving = new Map<string, Promise<void>>();
  /** Files whose upload has failed and was not tried again. */
  readonly #failed = new Set<string>();
  readonly #limiter: AdaptiveLimiter;
  readonly #seats: AdjustableSeats;
  readonly #paths: ObjectPaths = createObjectPaths();
  readonly #statusLine: StatusLine;
  #signer: ReturnType<typeof toSigner>;
  #store: ResumeStore | undefined;

  constructor(uppy: Uppy<M, B>, options: CosSliceOptions<M, B>) {
    super(uppy, { ...defaultOptions, ...options });
    checkOptions(this.opts);
    this.type = 'uploader';
    this.id = this.opts.id ?? 'CosSlice';
    this.defaultLocale = enUS;
    this.i18nInit();
    this.#statusLine = createStatusLine(uppy);
    this.#signer = toSigner(this.opts);
    this.#limiter = createLimiter(boundsOf(this.opts), { maxMemory: this.opts.maxMemory });
    this.#seats = createSeats(mostOf(boundsOf(this.opts)));
  }

  /** @throws TypeError, and changes nothing */
  override setOptions(options: Partial<CosSliceOptions<M, B>>): void {
    checkOptions({ ...this.opts, ...options });
    super.setOptions(options);
    this.#signer = toSigner(this.opts);
    this.#limiter.resize(boundsOf(this.opts));
    if (this.opts.maxMemory !== undefined) this.#limiter.maxMemory = this.opts.maxMemory;
    this.#seats.resize(mostOf(boundsOf(this.opts)));
    // When the language changes, Uppy tells one plugin after the other.
    queueMicrotask(this.#showStatus);
  }

  /** The running upload of a file, for those who want to show more of it. */
  getUpload(fileId: string): Upload | undefined {
    return this.#uploads.get(fileId)?.upload;
  }

  /** Why an upload has failed and what to do about it, in the language of the application: for errors in `cos-slice:state`. */
  explain(error: Error): string {
    return translate(error, this.i18n).message;
  }

  override install(): void {
    this.#setResumable(true);
    this.uppy.addUploader(this.#uploadFiles);
    this.uppy.on('upload-pause', this.#onPause);
    this.uppy.on('pause-all', this.#onPauseAll);
    this.uppy.on('resume-all', this.#onResumeAll);
    this.uppy.on('file-removed', this.#onRemoved);
    this.uppy.on('cancel-all', this.#onCancelAll);
    this.uppy.on('plugin-added', this.#showStatus);
    this.uppy.on('restored', this.#onRestored);
  }

  override uninstall(): void {
    this.uppy.removeUploader(this.#uploadFiles);
    this.uppy.off('upload-pause', this.#onPause);
    this.uppy.off('pause-all', this.#onPauseAll);
    this.uppy.off('resume-all', this.#onResumeAll);
    this.uppy.off('file-removed', this.#onRemoved);
    this.uppy.off('cancel-all', this.#onCancelAll);
    this.uppy.off('plugin-added', this.#showStatus);
    this.uppy.off('restored', this.#onRestored);
    const unfinished = [...this.#uploads.keys()];
    this.#onCancelAll();
    this.#setResumable(false);
    for (const fileId of unfinished) this.#onFailure(fileId, new Error(this.i18n('uninstalled')));
  }

  #setResumable(resumableUploads: boolean): void {
    const { capabilities } = this.uppy.getState();
    this.uppy.setState({ capabilities: { ...capabilities, resumableUploads } });
  }

  /** Never rejects: what fails is told per file, or Uppy would count it as successful. */
  readonly #uploadFiles = async (fileIds: string[]): Promise<void> => {
    const files = filterFilesToUpload(this.uppy.getFilesByIds(fileIds));
    this.#givePaths(files);
    this.#tell(() => this.uppy.emit('upload-start', filterFilesToEmitUploadStarted(files)));
    let running = files.map(({ id }) => this.#uploadFile(id));
    while (running.length > 0) {
      await Promise.all(running);
      // A file that failed may have been tried again before the others were done. It has no error while it runs, so Uppy would
      // call it successful if this ended now. Looked at in a turn of its own, or somebody could come between this and Uppy.
      await new Promise((resolve) => setTimeout(resolve));
      running = files.flatMap(({ id }) => this.#uploads.get(id)?.ended ?? []);
    }
  };

  /** In the order of the files, before any of them waits for its turn: what was chosen together is numbered in that order. */
  #givePaths(files: readonly UppyFile<M, B>[]): void {
    for (const { id, cosSlicePath } of this.uppy.getFiles()) if (cosSlicePath) this.#paths.keep(id, cosSlicePath);
    const given = files.map((file) => [file.id, { cosSlicePath: this.#pathGivenTo(file) }] as const);
    this.uppy.patchFilesState(Object.fromEntries(given));
  }

  #pathGivenTo(file: UppyFile<M, B>): GivenPath {
    return this.#paths.give(file.id, fitPath(nameOf(file)));
  }

  #uploadFile(fileId: string): Promise<void> {
    const file = this.uppy.getFile(fileId);
    if (!file) return Promise.resolve();
    this.#failed.delete(fileId);
    const running = this.#uploads.get(fileId);
    if (running) {
      // Retrying a paused file makes it one that is not, without another event.
      if (!file.isPaused) running.resume();
      return running.ended;
    }
    if (file.isRemote) return this.#refuse(fileId, 'remoteFile');
    if (!file.data) return this.#refuse(fileId, 'dataMissing');

    const forget = (): void => {
      if (this.#uploads.get(fileId) === upload) this.#uploads.delete(fileId);
    };
    const upload: FileUpload = new FileUpload(
      this.#seats,
      (signal) => [this.#dataOf(fileId), this.#optionsFor(fileId, upload, signal)],
      {
        progress: (snapshot) => this.#onProgress(fileId, snapshot),
        // Forgotten first: whoever is told may start it again at once.
        success: (result) => {
          forget();
          this.#onSuccess(fileId, result);
        },
        failure: (error) => {
          forget();
          this.#onFailure(fileId, error);
        },
      },
    );
    this.#uploads.set(fileId, upload);
    // A file restored as paused, or paused by somebody who was told of its start, waits to be resumed.
    if (!file.isPaused) upload.resume();
    return upload.ended;
  }

  /** Asked for when the upload starts: while a file waits for its place, editors and compressors may put other data into it. */
  #dataOf(fileId: string): Blob {
    const { data } = this.uppy.getFile(fileId);
    // A `File` of another window is no `Blob` of this one, so `uploadBlob` decides what can be read.
    if (data) return data as Blob;
    throw new Error(this.i18n('dataMissing'));
  }

  #optionsFor(fileId: string, upload: FileUpload, signal: AbortSignal): UploadBlobOptions {
    const file = this.uppy.getFile(fileId);
    const { path: ownPath } = this.#pathGivenTo(file);
    const path = this.opts.path ? this.opts.path(file, ownPath) : ownPath;
    const attributes = attributesOf(this.opts, file);
    if (this.opts.resume === undefined) this.#store ??= createIndexedDbStore();
    const beneath = this.opts.resume ?? this.#store ?? false;
    signal.addEventListener('abort', () => {
      const gone: Promise<void> = upload.gone().then(() => {
        if (this.#leaving.get(path) === gone) this.#leaving.delete(path);
      });
      this.#leaving.set(path, gone);
    });
    return {
      ...pickPassed(this.opts),
      path,
      signal,
      signer: this.#signer,
      concurrency: this.#limiter,
      resume: createFileStore({ uppy: this.uppy, fileId, path, beneath, free: async () => this.#leaving.get(path) }),
      ...(attributes === undefined ? {} : { attributes }),
    };
  }

  async #refuse(fileId: string, reason: 'remoteFile' | 'dataMissing'): Promise<void> {
    this.#onFailure(fileId, new Error(this.i18n(reason)));
  }

  /** A listener that throws is the application's fault: it must neither stop uploads nor vanish. */
  #tell(emit: () => void): void {
    try {
      emit();
    } catch (error) {
      this.uppy.log(error, 'error');
    }
  }

  readonly #showStatus = (): void => {
    const snapshots = [...this.#uploads.values()].flatMap(({ latest }) => latest ?? []);
    const status = statusOf(snapshots);
    this.#statusLine.show(status && this.i18n(status.key, { percent: status.percent }));
  };

  #onProgress(fileId: string, snapshot: UploadSnapshot): void {
    this.#showStatus();
    const file = this.uppy.getFile(fileId);
    if (!file) return;
    this.#tell(() => this.uppy.emit('cos-slice:state', file, snapshot));
    // Whoever was just told may have changed the file.
    const latest = this.uppy.getFile(fileId);
    if (!latest?.progress.uploadStarted || snapshot.phase === 'done') return;
    const { uploadStarted } = latest.progress;
    const { sizeBytes } = snapshot.progress;
    const bytesUploaded = shownBytes(snapshot);
    // Uppy gives a file its controls when it has heard of a percentage, and be it 0.
    const isKnown = latest.progress.percentage !== undefined || sizeBytes === 0;
    if (isKnown && bytesUploaded === latest.progress.bytesUploaded) return;
    this.#tell(() =>
      this.uppy.emit('upload-progress', latest, { uploadStarted, bytesUploaded, bytesTotal: sizeBytes }),
    );
  }

  #onSuccess(fileId: string, result: UploadResult): void {
    this.#showStatus();
    const file = this.uppy.getFile(fileId);
    if (!file) return;
    const response = {
      status: 200,
      uploadURL: result.accessUrl || result.url,
      bytesUploaded: file.size ?? 0,
      // The body's type is the application's to say.
      body: { ...result } as unknown as B,
    };
    this.#tell(() => this.uppy.emit('upload-success', file, response));
  }

  #onFailure(fileId: string, error: Error): void {
    this.#showStatus();
    const file = this.uppy.getFile(fileId);
    if (!file) return;
    this.#failed.add(fileId);
    const told = translate(error, this.i18n);
    if (told !== error) this.uppy.log(error, 'warning');
    this.#tell(() => this.uppy.emit('upload-error', file, told));
  }

  readonly #onPause = (file: UppyFile<M, B> | undefined, isPaused: boolean): void => {
    const upload = file && this.#uploads.get(file.id);
    if (isPaused) upload?.pause();
    else upload?.resume();
  };

  readonly #onPauseAll = (): void => {
    this.#seats.together(() => {
      for (const upload of this.#uploads.values()) upload.pause();
    });
  };

  readonly #onResumeAll = (): void => {
    for (const upload of this.#uploads.values()) upload.resume();
    // Uppy has just wiped the errors of files that failed, and would call them successful: they are tried again.
    for (const fileId of [...this.#failed]) {
      const file = this.uppy.getFile(fileId);
      if (!file || file.error) continue;
      this.#tell(() => {
        this.uppy.retryUpload(fileId).catch((error) => this.uppy.log(error, 'error'));
      });
    }
  };

  /** What had failed before a reload is tried again when everything is resumed, as what failed after it. */
  readonly #onRestored = (): void => {
    for (const { id, error, isGhost } of this.uppy.getFiles()) if (error && !isGhost) this.#failed.add(id);
  };

  readonly #onRemoved = (file: UppyFile<M, B>): void => {
    this.#failed.delete(file.id);
    this.#uploads.get(file.id)?.cancel();
    this.#uploads.delete(file.id);
    this.#showStatus();
  };

  readonly #onCancelAll = (): void => {
    this.#failed.clear();
    this.#seats.together(() => {
      for (const upload of this.#uploads.values()) upload.cancel();
    });
    this.#uploads.clear();
    this.#showStatus();
  };
}

/** What was on its way when an upload was paused, and did not arrive, is no progress any more. */
function shownBytes({ paused, progress }: UploadSnapshot): number {
  const { sizeBytes, fraction, confirmedBytes, slices } = progress;
  const shown = paused && slices.inFlight === 0 ? confirmedBytes / sizeBytes || 0 : fraction;
  return Math.floor(Math.min(shown, SHOWN_AT_MOST) * sizeBytes);
}

function mostOf(concurrency: number | Bounds): number {
  return typeof concurrency === 'number' ? concurrency : concurrency.max;
}
