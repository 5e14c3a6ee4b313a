import type { UploadResult } from '@cos-slice/browser';
import type Uppy from '@uppy/core';
import type { UppyFile } from '@uppy/core';

export type DemoMeta = { relativePath?: string };
export type DemoBody = UploadResult & Record<string, unknown>;
export type DemoUppy = Uppy<DemoMeta, DemoBody>;
export type DemoFile = UppyFile<DemoMeta, DemoBody>;
