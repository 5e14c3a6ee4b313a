import { fileURLToPath } from 'node:url';
import { CHROMIUMS, launchChromium } from '@cos-slice/testkit/chromium';
import { startSite } from '@cos-slice/testkit/site';
import { build } from 'esbuild';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { onTestFinished } from 'vitest';
import { s3 } from './s3.ts';
import { PART_BYTES, startCosPlace, startS3Place, type WirePlace } from './wires.ts';

const METHODS = ['GET', 'HEAD', 'PUT', 'POST', 'DELETE'].map((method) => `<AllowedMethod>${method}</AllowedMethod>`);
const EXPOSED = ['ETag', 'x-amz-meta-cos-slice-upload'].map((name) => `<ExposeHeader>${name}</ExposeHeader>`);
const RULES =
  '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedHeader>*</AllowedHeader>' +
  `${METHODS.join('')}${EXPOSED.join('')}</CORSRule></CORSConfiguration>`;

/** Lets pages of any origin in. */
async function withPages(endpoint: string, place: WirePlace): Promise<WirePlace> {
  const { status } = await s3(endpoint, 'PUT', `/${place.bucket}?cors`, { body: RULES });
  if (status !== 200) throw new Error(`no CORS rules: ${status}`);
  return place;
}

/** What pages can upload to, by wire. */
export const PAGE_PLACES = [
  ['S3', 's3', async (endpoint: string) => withPages(endpoint, await startS3Place(endpoint))],
  ['the XML API of COS', 'cos', async (endpoint: string) => withPages(endpoint, await startCosPlace(endpoint))],
] as const;

/** What a page begins with: its files, and a wire for where it is told to upload to. */
export const PAGE_START = `
  import { cosProfile, cosXml, createBandwidth, profiles, s3 } from '@cos-slice/browser';
  const minPartBytes = ${PART_BYTES};
  const contentOf = (sizeBytes) =>
    new File([Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 131 + (i >> 8) * 17) & 255)], 'file.bin', { lastModified: 1 });
  const wireOf = ({ kind, endpoint, bucket }) => kind === 's3'
    ? s3({ endpoint, bucket, profile: { ...profiles.ceph, minPartBytes } })
    : cosXml({ region: 'sh', bucket: 'films', appId: 10055004, endpoint, profile: { ...cosProfile, minPartBytes } });
`;

/** The content of a page's file of so many bytes. */
export function contentOf(sizeBytes: number): Buffer {
  return Buffer.from(Uint8Array.from({ length: sizeBytes }, (_, i) => (i * 131 + (i >> 8) * 17) & 255));
}

/** A site whose pages run a script of an application, and a browser that visits it. */
export interface PageSite {
  /** A page that shares nothing with others, until the test has ended. */
  open(): Promise<Page>;
  /** Another one of the same user. */
  openIn(context: BrowserContext): Promise<Page>;
  close(): Promise<void>;
}

/** @param code as an application would write it, in a module */
export async function startPages(code: string): Promise<PageSite> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: fileURLToPath(new URL('.', import.meta.url)) },
    bundle: true,
    format: 'iife',
    write: false,
    logLevel: 'error',
  });
  const site = await startSite({ slices: () => {}, sign: async () => '' });
  site.scripts.set('/page.js', outputFiles[0]?.text ?? '');
  const browser: Browser = await launchChromium(CHROMIUMS[0]);
  const openIn = async (context: BrowserContext): Promise<Page> => {
    const page = await context.newPage();
    await page.goto(site.pageUrl);
    return page;
  };
  return {
    async open() {
      const context = await browser.newContext();
      onTestFinished(() => context.close());
      return openIn(context);
    },
    openIn,
    async close() {
      await browser.close();
      await site.close();
    },
  };
}
