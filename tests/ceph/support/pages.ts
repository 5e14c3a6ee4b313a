import { s3 } from './bucket.ts';
import { startCosPlace, startS3Place, type WirePlace } from './wires.ts';

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
