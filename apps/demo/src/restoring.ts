import { createArrived } from './arrived.ts';
import type { DemoFile, DemoUppy } from './uppy-types.ts';

/**
 * What was under way goes on by itself after a reload, however that came about: with F5, with the button, or as the next tab after
 * one that was closed. Golden Retriever brings the files back, and would wait for a click.
 */
export function continueAfterReload(uppy: DemoUppy, tab: string): void {
  const arrived = createArrived(tab);
  uppy.on('upload-success', (file) => file && arrived.add(file.id));
  // Those that come back are not added.
  uppy.on('file-added', ({ id }) => arrived.remove(id));
  uppy.on('file-removed', ({ id }) => arrived.remove(id));
  uppy.on('restored', () => {
    const left = uppy.getFiles().map(({ id }) => id);
    uppy.removeFiles(left.filter(arrived.has));
    const unfinished = uppy.getFiles().filter(({ progress }) => !progress.uploadComplete);
    const ghosts = unfinished.filter(({ isGhost }) => isGhost);
    setAside(uppy, ghosts);
    // Without its content a file can only wait to be added again; Uppy says so by itself.
    if (ghosts.length === unfinished.length) return;
    // Golden Retriever resumes everything, and starts it after that: what was paused stays so.
    const paused = unfinished.filter((file) => file.isPaused).map((file) => [file.id, { isPaused: true }] as const);
    uppy.once('resume-all', () => uppy.patchFilesState(Object.fromEntries(paused)));
    uppy.emit('restore-confirmed');
  });
  // Once a file that had to be added again is there, nothing is left to restore.
  uppy.on('upload', () => uppy.setState({ recoveredState: null }));
}

/** Files without content are as if they were new: they start when they are added again, and from where they had come to. */
function setAside(uppy: DemoUppy, ghosts: readonly DemoFile[]): void {
  const ids = new Set(ghosts.map(({ id }) => id));
  const anew = ghosts.map(({ id, progress }) => {
    const { bytesTotal } = progress;
    const fresh = {
      uploadStarted: null,
      uploadComplete: false,
      percentage: 0,
      bytesUploaded: false,
      bytesTotal,
    } as const;
    return [id, { progress: fresh, isPaused: false, error: null }] as const;
  });
  uppy.patchFilesState(Object.fromEntries(anew));
  const uploads = Object.entries(uppy.getState().currentUploads)
    .map(([id, upload]) => [id, { ...upload, fileIDs: upload.fileIDs.filter((one) => !ids.has(one)) }] as const)
    .filter(([, { fileIDs }]) => fileIDs.length > 0);
  uppy.setState({ currentUploads: Object.fromEntries(uploads) });
}
