import type { Direct, Download, DownloadOptions, ObjectClient, Upload } from '@cos-slice/core';
import type { UploadFileOptions } from '../upload-file.ts';

/** What is done differently for the files of a directory. */
export type UploadSettings = Partial<
  Pick<UploadFileOptions, 'integrity' | 'onConflict' | 'resume' | 'sliceSize' | 'singleRequestMax' | 'mayGrow'>
>;

/** What directories want of a client. */
export interface FileClient extends Pick<ObjectClient, 'stat' | 'list' | 'listPage' | 'createDirectory' | 'remove'> {
  upload(
    file: string,
    path: string,
    options: UploadSettings & Pick<UploadFileOptions, 'overwrite' | 'signal' | 'retry'>,
  ): Upload;
  download(path: string, file: string, options: DownloadOptions & { readonly overwrite: boolean }): Download;
}

/** And those that upload. */
export interface SendingClient extends FileClient {
  /** The straight way for small files; undefined where the settings cannot be. */
  direct(settings: UploadSettings, life: AbortSignal): Direct<Uint8Array> | undefined;
}
