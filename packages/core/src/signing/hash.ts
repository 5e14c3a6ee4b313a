// What signatures are made of, by the runtime's own WebCrypto.

export type Bytes = Uint8Array<ArrayBuffer>;
type Hash = 'SHA-1' | 'SHA-256';

export function toUtf8(text: string): Bytes {
  return new TextEncoder().encode(text);
}

export function toHex(bytes: Uint8Array): string {
  let hex = '';
  for (const byte of bytes) hex += byte.toString(16).padStart(2, '0');
  return hex;
}

export async function hmac(hash: Hash, key: Bytes, data: Bytes): Promise<Bytes> {
  const imported = await crypto.subtle.importKey('raw', key, { name: 'HMAC', hash }, false, ['sign']);
  return new Uint8Array(await crypto.subtle.sign('HMAC', imported, data));
}

/** Of a text in UTF-8, in lowercase hex. */
export async function digestHex(hash: Hash, text: string): Promise<string> {
  return toHex(new Uint8Array(await crypto.subtle.digest(hash, toUtf8(text))));
}
