import { byId } from './element.ts';
import type { Languages } from './language.ts';
import type { DemoFile, DemoUppy } from './uppy-types.ts';

/** Tells those who do not see the page what happens: of one file by its name, of many by their number. */
export function startAnnouncer(uppy: DemoUppy, languages: Languages): void {
  const { text } = languages;
  const say = (...sentences: readonly string[]): void => {
    byId('announcer').textContent = sentences.join(' ');
  };
  let reason: string | undefined;
  let removed: DemoFile[] = [];
  let isCancelled = false;

  uppy.on('upload-start', (files) => {
    const [file] = files;
    if (!file) return;
    reason = undefined;
    say(files.length > 1 ? text('saidStartedMany', { count: files.length }) : text('saidStarted', { name: file.name }));
  });
  uppy.on('pause-all', () => say(text('saidPaused')));
  uppy.on('resume-all', () => say(text('saidResumed')));
  uppy.on('upload-pause', (_, paused) => say(text(paused ? 'saidPaused' : 'saidResumed')));
  uppy.on('restored', () => say(text('saidRestored')));
  uppy.on('upload-error', (file, error) => {
    // The first at once, others in the sum: when one fails, many may.
    if (reason !== undefined) return;
    reason = error.message;
    say(text('saidFailed', { name: file?.name ?? '', reason }));
  });
  uppy.on('complete', ({ successful = [], failed = [] }) => {
    const count = successful.length + failed.length;
    const [file] = successful;
    if (count > 1) {
      const done = text('saidDoneMany', { done: successful.length, count });
      if (failed.length === 0) say(done);
      else say(done, text('saidFailedMany', { count: failed.length, reason: reason ?? '' }));
    } else if (file) {
      say(text(file.response?.body?.instant ? 'saidInstant' : 'saidDone', { name: file.name }));
    }
  });

  /** All that goes at one stroke is told in one sentence. */
  const tellRemoved = (): void => {
    const [file] = removed;
    if (!file) return;
    if (isCancelled) say(text('saidCancelled'));
    else if (removed.length > 1) say(text('saidRemovedMany', { count: removed.length }));
    else say(text('saidRemoved', { name: file.name }));
    removed = [];
    isCancelled = false;
  };
  uppy.on('cancel-all', () => {
    isCancelled = uppy.getFiles().some((file) => !file.progress.uploadComplete);
  });
  uppy.on('file-removed', (file) => {
    // What has arrived is taken off the list by the page itself.
    if (file.progress.uploadComplete) return;
    removed.push(file);
    queueMicrotask(tellRemoved);
  });
}
