import type { Authority, ObjectProperties } from '../store/store.ts';
import { ProtocolError } from './codes.ts';
import type { Fields } from './fields.ts';

/** What `update` may change, by the bit of `flag` that stands for it. */
const BITS = { attributes: 0x01, headers: 0x40, authority: 0x80 } as const;
/** Headers travel with every download: longer ones could not be received everywhere. */
const MAX_HEADER_BYTES = 4096;
const HEADERS = ['Cache-Control', 'Content-Type', 'Content-Disposition', 'Content-Language', 'Content-Encoding'];
const META = /^x-cos-meta-[a-z0-9_-]{1,100}$/;

/**
 * What an `update` says of an object. With `flag`, only what that names; without, all there is.
 *
 * @throws ProtocolError -179 for a flag that is none, -5999 for an authority or headers that cannot be
 */
export function readProperties(fields: Fields): ObjectProperties {
  const flag = readFlag(fields.get('flag'));
  const given = {
    ...(fields.has('biz_attr') && { attributes: fields.get('biz_attr') }),
    ...(hasText(fields.get('authority')) && { authority: readAuthority(fields.get('authority') as string) }),
    ...readHeaders(fields.get('custom_headers') ?? fields.get('customHeaders')),
  };
  const named = Object.entries(given).filter(([name]) => !flag || (flag & BITS[name as keyof typeof BITS]) !== 0);
  return Object.fromEntries(named);
}

function hasText(value: string | undefined): boolean {
  return value !== undefined && value.trim() !== '';
}

function readFlag(text = ''): number {
  const flag = Number(text.trim());
  if (!/^\d{0,3}$/.test(text.trim()) || flag > 0xff) throw new ProtocolError('badFlag');
  return flag;
}

function readAuthority(text: string): Authority | undefined {
  const authority = text.trim();
  if (authority === 'eInvalid') return undefined;
  if (authority === 'eWRPrivate' || authority === 'eWPrivateRPublic') return authority;
  throw new ProtocolError('badParameter', 'authority is none of eInvalid, eWRPrivate and eWPrivateRPublic');
}

/** An empty list is what PHP makes of nothing, and says nothing. */
function readHeaders(text: string | undefined): Pick<ObjectProperties, 'headers'> {
  if (text === undefined || !hasText(text)) return {};
  const value = parse(text);
  if (Array.isArray(value) && value.length === 0) return {};
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badHeaders('it is no JSON object');
  const headers: Record<string, string> = {};
  let sizeBytes = 0;
  for (const [name, content] of Object.entries(value)) {
    const known = canonicalName(name);
    if (known === undefined) throw badHeaders(`only ${HEADERS.join(', ')} and x-cos-meta-... may be set`);
    if (typeof content !== 'string' && typeof content !== 'number') throw badHeaders(`${known} is no text`);
    if (known in headers) throw badHeaders(`${known} is given twice`);
    headers[known] = String(content).trim();
    if (/[\p{Cc}\p{Cs}]/u.test(headers[known])) throw badHeaders(`${known} has control characters`);
    sizeBytes += known.length + Buffer.byteLength(headers[known]);
  }
  if (sizeBytes > MAX_HEADER_BYTES) throw badHeaders(`they exceed ${MAX_HEADER_BYTES} bytes`);
  return { headers };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw badHeaders('it is no JSON object');
  }
}

function canonicalName(name: string): string | undefined {
  const lower = name.trim().toLowerCase();
  return META.test(lower) ? lower : HEADERS.find((known) => known.toLowerCase() === lower);
}

function badHeaders(why: string): ProtocolError {
  return new ProtocolError('badParameter', `custom_headers: ${why}`);
}
