import type { ObjectLocation } from '../location.ts';

export type Json = { readonly [name: string]: unknown };

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Anything else is as good as an empty object. */
export function toObject(value: unknown): Json {
  return typeof value === 'object' && value !== null ? (value as Json) : {};
}

/** Numbers or numeric strings (protocol section 1). */
export function toInteger(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^-?\d+$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) ? (number as number) : undefined;
}

/** Empty when there is none. */
export function toText(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

export function locationOf(data: Json): ObjectLocation {
  return {
    accessUrl: toText(data.access_url),
    sourceUrl: toText(data.source_url),
    url: toText(data.url),
    resourcePath: toText(data.resource_path),
  };
}
