import type { Download, Upload } from '@cos-slice/core';
import type { Moving } from './transfer.ts';

export function toUploadMoving(upload: Upload): Moving {
  return {
    done: upload.done,
    look() {
      const { resumable, progress } = upload.state;
      const { fraction, sizeBytes, sentBytes } = progress;
      return { doneBytes: Math.floor(fraction * sizeBytes), movedBytes: sentBytes, resumable };
    },
    pause: upload.pause,
    resume: upload.resume,
  };
}

export function toDownloadMoving(download: Download, done: Moving['done']): Moving {
  return {
    done,
    look() {
      const { receivedBytes, resumedBytes } = download.state.progress;
      return { doneBytes: receivedBytes, movedBytes: receivedBytes - resumedBytes, resumable: true };
    },
    pause: download.pause,
    resume: download.resume,
  };
}

/** Nothing is moved. */
export const DRY: Moving = {
  done: Promise.resolve({ resumedBytes: 0 }),
  look: () => ({ doneBytes: 0, movedBytes: 0, resumable: true }),
  pause() {},
  resume() {},
};
