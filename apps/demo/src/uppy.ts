import CosSlice, { zhCN } from '@cos-slice/uppy-plugin';
import Uppy from '@uppy/core';
import Dashboard from '@uppy/dashboard';
import GoldenRetriever, { type GoldenRetrieverOptions } from '@uppy/golden-retriever';
import enUS from '@uppy/locales/lib/en_US.js';
import uppyZhCN from '@uppy/locales/lib/zh_CN.js';
import { type DemoConfig, endpointOf } from './config.ts';
import type { Languages } from './language.ts';
import { continueAfterReload } from './restoring.ts';
import type { DemoBody, DemoMeta, DemoUppy } from './uppy-types.ts';

const GIB = 1024 ** 3;
/** Long enough for everybody to see that it is complete. */
const LINGER_MS = 1500;

/** @param id under which it keeps what a reload has to survive */
export function createUppy(id: string, config: DemoConfig, languages: Languages): DemoUppy {
  const { appId, bucket } = config;
  // Not in Golden Retriever's types: by default it keeps no file above 10 MiB.
  const indexedDB: GoldenRetrieverOptions['indexedDB'] & { maxFileSize: number; maxTotalSize: number } = {
    maxFileSize: 16 * GIB,
    maxTotalSize: 32 * GIB,
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

  continueAfterReload(uppy);
  uppy.on('complete', ({ successful = [] }) => {
    // What has arrived makes room, so that the same file can be added again.
    const ids = successful.map(({ id }) => id);
    setTimeout(() => {
      uppy.removeFiles(ids.filter((id) => uppy.getFile(id)?.progress.uploadComplete));
    }, LINGER_MS);
  });
  return uppy;
}
