import { type Upload, type UploadResult, type UploadSnapshot, uploadBlob } from '@cos-slice/browser';
import type { FileQueue, Queued } from './file-queue.ts';

/** What a file's upload tells. Nothing after `ended`. */
export interface FileUploadEvents {
  progress(snapshot: UploadSnapshot): void;
  success(result: UploadResult): void;
  failure(error: Error): void;
}

type Start = (signal: AbortSignal) => Parameters<typeof uploadBlob>;

/** One file on its way: waiting for a place, running, paused, ended. */
export class FileUpload implements Queued {
  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>;
  upload: Upload | undefined;
  /** What was last told of it. */
  latest: UploadSnapshot | undefined;
  readonly #queue: FileQueue;
  readonly #start: Start;
  readonly #events: FileUploadEvents;
  readonly #controller = new AbortController();
  #end: () => void = () => {};
  #over = false;

  /** @param start makes the arguments of `uploadBlob`; called when the file gets its first place */
  constructor(queue: FileQueue, start: Start, events: FileUploadEvents) {
    this.#queue = queue;
    this.#start = start;
    this.#events = events;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  enter(): void {
    if (this.#over) return this.#queue.leave(this);
    if (this.upload) this.upload.resume();
    else this.#begin();
  }

  /** Starts, or goes on, as soon as there is a place. */
  resume(): void {
    if (!this.#over) this.#queue.join(this);
  }

  /** Gives the place back at once. */
  pause(): void {
    if (this.#over) return;
    this.upload?.pause();
    this.#queue.leave(this);
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#controller.abort();
    this.#queue.leave(this);
    this.#end();
  }

  /** Resolves when nothing of it runs any more: for one that was cancelled, a moment after it has ended. */
  async gone(): Promise<void> {
    await this.upload?.done.catch(() => {});
  }

  #begin(): void {
    let upload: Upload;
    try {
      upload = uploadBlob(...this.#start(this.#controller.signal));
    } catch (error) {
      this.#finish(() => this.#events.failure(toError(error)));
      return;
    }
    this.upload = upload;
    upload.subscribe((snapshot) => {
      if (this.#over) return;
      this.latest = snapshot;
      this.#events.progress(snapshot);
    });
    upload.done.then(
      (result) => this.#finish(() => this.#events.success(result)),
      (error) => this.#finish(() => this.#events.failure(toError(error))),
    );
  }

  #finish(tell: () => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#queue.leave(this);
    try {
      tell();
    } finally {
      this.#end();
    }
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
