// Compiled, never run: what users write must type-check, strictly and with library checks on.
import { cosXml, remoteCredentials } from '@cos-slice/browser';
import CosSlice, { type CosSliceFile, type CosSliceStrings, enUS } from '@cos-slice/uppy-plugin';
import Uppy from '@uppy/core';
import './react.js';

const uppy = new Uppy<{ album: string }>();
const strings: CosSliceStrings = { ...enUS.strings, statusFinishing: 'Nearly there' };

uppy.use(CosSlice, {
  endpoint: 'https://sh.file.myqcloud.com/files/v2',
  appId: '10055004',
  bucket: 'films',
  signUrl: '/sign',
  path: (file, ownPath) => `${file.meta.album}/${ownPath}`,
  integrity: 'sha1',
  concurrency: { min: 1, max: 4 },
  allowedMetaFields: ['album'],
  locale: { strings },
});

// @ts-expect-error there is no such level
uppy.use(CosSlice, { endpoint: '', appId: '', bucket: '', signUrl: '', integrity: 'crc32' });
uppy.use(CosSlice, {
  wire: cosXml({ region: 'ap-shanghai', bucket: 'films', appId: '10055004' }),
  signer: remoteCredentials('/credentials'),
});
// @ts-expect-error the region is needed
cosXml({ bucket: 'films', appId: '10055004' });

uppy.on('cos-slice:state', (file, state) => {
  const left: number | undefined = state.progress.etaMs;
  const kept: CosSliceFile | undefined = file.cosSlice;
  const session: string | undefined = kept?.session;
  const path: string | undefined = file.cosSlicePath?.path;
  const why: string | undefined = state.error && uppy.getPlugin('CosSlice')?.explain(state.error);
  console.log(file.id, left, session, path, why);
});

uppy.getPlugin('CosSlice')?.getUpload('id')?.pause();
uppy.getPlugin('CosSlice')?.setOptions({ concurrency: 2 });
