import { type Upload, type UploadResult, type UploadSnapshot, uploadBlob } from '@cos-slice/browser';
import type { AdjustableSeats, Seated } from '@cos-slice/browser/ports';

/** What a file's upload tells. Nothing after `ended`. */
export interface FileUploadEvents {
  progress(snapshot: UploadSnapshot): void;
  success(result: UploadResult): void;
  failure(error: Error): void;
}

type Start = (signal: AbortSignal) => Parameters<typeof uploadBlob>;

/** One file on its way: waiting for a place, running, paused, ended. */
export class FileUpload implements Seated {
  /** Resolves when it has ended, however. */
  readonly ended: Promise<void>;
  upload: Upload | undefined;
  /** What was last told of it. */
  latest: UploadSnapshot | undefined;
  readonly #seats: AdjustableSeats;
  readonly #start: Start;
  readonly #events: FileUploadEvents;
  readonly #controller = new AbortController();
  #end: () => void = () => {};
  #over = false;

  /** @param start makes the arguments of `uploadBlob`; called when the file gets its first place */
  constructor(seats: AdjustableSeats, start: Start, events: FileUploadEvents) {
    this.#seats = seats;
    this.#start = start;
    this.#events = events;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  enter(): void {
    if (this.#over) return this.#seats.leave(this);
    if (this.upload) this.upload.resume();
    else this.#begin();
  }

  /** Starts, or goes on, as soon as there is a place. */
  resume(): void {
    if (!this.#over) this.#seats.join(this);
  }

  /** Gives the place back at once. */
  pause(): void {
    if (this.#over) return;
    this.upload?.pause();
    this.#seats.leave(this);
  }

  cancel(): void {
    if (this.#over) return;
    this.#over = true;
    this.#controller.abort();
    this.#seats.leave(this);
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
    this.#seats.leave(this);
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
