import type { S3Options } from '@cos-slice/browser';

/** What the demo server tells the page. */
export interface DemoConfig {
  readonly appId: string;
  readonly bucket: string;
  readonly prefix: string;
  /** Other names of this machine under which the same server answers. */
  readonly otherNames: Readonly<Record<string, string>>;
  /** An object store that files may go to instead, and the folder in it. */
  readonly s3?: Omit<S3Options, 'headers' | 'pathStyle'> & { readonly folder: string };
}

export function readConfig(): DemoConfig {
  return JSON.parse(document.getElementById('config')?.textContent ?? '{}');
}

/** Where slices go: to another origin than the page's where there is one, as in real life. */
export function endpointOf({ otherNames, prefix }: DemoConfig): string {
  const url = new URL(prefix, location.href);
  url.hostname = otherNames[url.hostname] ?? url.hostname;
  return url.href;
}
