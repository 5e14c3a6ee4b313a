import type { UploadResult } from '@cos-slice/browser';
import CosSlice, { zhCN } from '@cos-slice/uppy-plugin';
import Uppy, { type UppyFile } from '@uppy/core';
import Dashboard from '@uppy/dashboard';
import GoldenRetriever, { type GoldenRetrieverOptions } from '@uppy/golden-retriever';
import enUS from '@uppy/locales/lib/en_US.js';
import uppyZhCN from '@uppy/locales/lib/zh_CN.js';
import { type DemoConfig, endpointOf } from './config.ts';
import type { Languages } from './language.ts';
import { reasonOf } from './reasons.ts';

type DemoMeta = { relativePath?: string };
type DemoBody = UploadResult & Record<string, unknown>;
export type DemoUppy = Uppy<DemoMeta, DemoBody>;
export type DemoFile = UppyFile<DemoMeta, DemoBody>;

const MIB = 1024 * 1024;
/** Set before a reload that the upload is to survive without a click. */
const CONTINUE = 'cos-slice-demo-continue';
/** Long enough for everybody to see that it is complete. */
const LINGER_MS = 1500;

/** @param id under which it keeps what a reload has to survive */
export function createUppy(id: string, config: DemoConfig, languages: Languages): DemoUppy {
  const { appId, bucket } = config;
  // Not in Golden Retriever's types: by default it keeps no file above 10 MiB.
  const indexedDB: GoldenRetrieverOptions['indexedDB'] & { maxFileSize: number; maxTotalSize: number } = {
    maxFileSize: 2048 * MIB,
    maxTotalSize: 4096 * MIB,
  };
  const uppy: DemoUppy = new Uppy<DemoMeta, DemoBody>({ id, autoProceed: true })
    .use(Dashboard, {
      target: '#dashboard',
      inline: true,
      width: '100%',
      height: 436,
      theme: 'auto',
      proudlyDisplayPoweredByUppy: false,
      showLinkToFileUploadResult: false,
      fileManagerSelectionType: 'both',
      doneButtonHandler: null,
    })
    .use(CosSlice, {
      endpoint: endpointOf(config),
      appId,
      bucket,
      signUrl: '/sign',
      path: ({ name, meta }) => pathOf(meta.relativePath || name),
      integrity: 'sha1',
      overwrite: true,
      onConflict: 'restart',
      // Small files by slices too: only then the server can know them already.
      singleRequestMax: 0,
      concurrency: { min: 1, max: 6 },
      // Short, for servers that are made to hang.
      timeouts: { connectMs: 5000, noProgressMs: 4000, responseMs: 5000 },
    })
    .use(GoldenRetriever, { indexedDB });

  languages.watch(() => {
    const chinese = languages.current === 'zh';
    uppy.setOptions({ locale: chinese ? { ...uppyZhCN, strings: { ...uppyZhCN.strings, ...zhCN.strings } } : enUS });
    uppy.getPlugin('Dashboard')?.setOptions({ note: languages.text('note') });
  });

  uppy.on('restored', () => {
    if (sessionStorage.getItem(CONTINUE) === null) return;
    sessionStorage.removeItem(CONTINUE);
    const files = uppy.getFiles();
    // Without its content a file waits to be added again.
    if (files.some((file) => file.isGhost)) return;
    // Golden Retriever resumes everything, and starts it after that: what was paused stays so.
    const paused = files.filter((file) => file.isPaused).map((file) => [file.id, { isPaused: true }] as const);
    uppy.once('resume-all', () => uppy.patchFilesState(Object.fromEntries(paused)));
    uppy.emit('restore-confirmed');
  });
  uppy.on('upload-error', (file, error) => {
    // Uppy shows the message, which is English and says more than is needed here.
    const reason = reasonOf(error, languages.current);
    const info = uppy.getState().info.map((one) => (one.details === error.message ? { ...one, details: reason } : one));
    uppy.setState({ error: reason, info });
    if (file) uppy.setFileState(file.id, { error: reason });
  });
  uppy.on('complete', ({ successful = [] }) => {
    // What has arrived makes room, so that the same file can be added again.
    const ids = successful.map(({ id }) => id);
    setTimeout(() => {
      uppy.removeFiles(ids.filter((id) => uppy.getFile(id)?.progress.uploadComplete));
    }, LINGER_MS);
  });
  return uppy;
}

/** Reloads the page; what is under way goes on afterwards. */
export function reloadPage(uppy: DemoUppy): void {
  if (uppy.getFiles().length > 0) sessionStorage.setItem(CONTINUE, '1');
  location.reload();
}

/** The protocol allows most names; what it does not allow becomes an underscore. */
function pathOf(wanted: string): string {
  const segments = wanted.split('/').filter((one) => one !== '' && one !== '.' && one !== '..');
  return segments.map((one) => one.replace(/[?*:|\\<>"\p{Cc}]/gu, '_')).join('/') || 'file';
}
