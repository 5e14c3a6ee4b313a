import { s3 } from '@cos-slice/browser';
import CosSlice, { type CosSliceOptions, zhCN } from '@cos-slice/uppy-plugin';
import Uppy, { type Body, type Meta } from '@uppy/core';
import Dashboard from '@uppy/dashboard';
import GoldenRetriever, { type GoldenRetrieverOptions } from '@uppy/golden-retriever';
import enUS from '@uppy/locales/lib/en_US.js';
import uppyZhCN from '@uppy/locales/lib/zh_CN.js';
import { type DemoConfig, endpointOf } from './config.ts';
import type { Languages } from './language.ts';
import { continueAfterReload } from './restoring.ts';
import type { DemoBody, DemoMeta, DemoUppy } from './uppy-types.ts';
import type { WireName } from './wire-choice.ts';

const GIB = 1024 ** 3;
/** Long enough for everybody to see that it is complete. */
const LINGER_MS = 1500;

/** What differs between the places that files go to. */
function optionsFor(wire: WireName, config: DemoConfig): CosSliceOptions<Meta, Body> {
  const { appId, bucket, s3: store } = config;
  if (wire === 's3' && store) {
    const { folder, ...place } = store;
    return { wire: s3(place), path: (_file, ownPath) => folder + ownPath, integrity: 'md5' };
  }
  return {
    endpoint: endpointOf(config),
    appId,
    bucket,
    integrity: 'sha1',
    onConflict: 'restart',
    // Small files by slices too: only then the server can know them already.
    singleRequestMax: 0,
    // Short, for servers that are made to hang.
    timeouts: { connectMs: 5000, noProgressMs: 4000, responseMs: 5000 },
  };
}

/** @param id under which it keeps what a reload has to survive */
export function createUppy(id: string, wire: WireName, config: DemoConfig, languages: Languages): DemoUppy {
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
      ...optionsFor(wire, config),
      signUrl: '/sign',
      overwrite: true,
      concurrency: { min: 1, max: 6 },
    })
    .use(GoldenRetriever, { indexedDB });

  languages.watch(() => {
    const chinese = languages.current === 'zh';
    uppy.setOptions({ locale: chinese ? { ...uppyZhCN, strings: { ...uppyZhCN.strings, ...zhCN.strings } } : enUS });
    uppy
      .getPlugin('Dashboard')
      ?.setOptions({ note: languages.text(wire === 's3' ? 'noteS3' : 'note', { bucket: config.s3?.bucket ?? '' }) });
  });

  continueAfterReload(uppy, id);
  uppy.on('complete', ({ successful = [] }) => {
    // What has arrived makes room, so that the same file can be added again.
    const ids = successful.map(({ id }) => id);
    setTimeout(() => {
      uppy.removeFiles(ids.filter((id) => uppy.getFile(id)?.progress.uploadComplete));
    }, LINGER_MS);
  });
  return uppy;
}
