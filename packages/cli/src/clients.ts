import { type Client, type ClientOptions, createClient, type Entry, isCosSliceError } from '@cos-slice/node';
import { readConnection } from './connection.ts';
import { type Flag, type Given, readFlags, switchFlag } from './flags.ts';
import { asDirectory, isDirectory, type Place, parsePlace, showPlace } from './place.ts';
import { CONNECTION, PROXY } from './settings.ts';
import { checkUpload } from './upload-flags.ts';

/** The flags of every command that works with what is in a bucket. */
export const CLIENT: typeof CONNECTION & { readonly proxy: typeof PROXY } = { ...CONNECTION, proxy: PROXY };

export const JSON_ONE: Flag<boolean> = switchFlag('--json', 'print one JSON object at the end, whatever happens');
export const JSON_LINES: Flag<boolean> = switchFlag('--json', 'print JSON, one object a line, whatever happens');

/** A client for each bucket, by its name. */
export type Clients = (bucket: string) => Client;

/**
 * @param targets what is asked about, as it is typed
 * @param more what else the clients' uploads go by
 * @throws UsageError
 */
export function readClients(
  given: Readonly<Record<string, Given>>,
  targets: readonly string[],
  more: Partial<ClientOptions> = {},
): Clients {
  const { proxy } = readFlags({ proxy: PROXY }, given);
  const connection = readConnection(given, proxy, bucketsOf(targets));
  const clients = new Map<string, Client>();
  return (bucket) => {
    const known = clients.get(bucket);
    if (known) return known;
    // One signature for all that is asked about a bucket.
    const reach = connection(bucket, false);
    checkUpload(more, reach);
    const made = createClient({
      ...reach.options,
      ...(proxy === undefined ? {} : { proxy }),
      ...more,
    });
    clients.set(bucket, made);
    return made;
  };
}

/** What a client of a bucket is made of. @param more as for `readClients`. @throws UsageError */
export function readClientOptions(
  given: Readonly<Record<string, Given>>,
  bucket: string,
  more: Partial<ClientOptions> = {},
): ClientOptions {
  const { proxy } = readFlags({ proxy: PROXY }, given);
  const reach = readConnection(given, proxy, [bucket])(bucket, false);
  checkUpload(more, reach);
  return { ...reach.options, ...(proxy !== undefined && { proxy }), ...more };
}

/** Of what can be read: what is wrong with the others is told by whoever reads them. */
export function bucketsOf(targets: readonly string[]): string[] {
  return targets.flatMap((target) => {
    try {
      return [parsePlace(target).bucket];
    } catch {
      return [];
    }
  });
}

/** What is at a path: also a directory whose slash was left out. @throws CosSliceError `not-found` */
export async function find(client: Client, path: string, signal: AbortSignal): Promise<Entry> {
  try {
    return await client.stat(path, { signal });
  } catch (error) {
    if (isDirectory(path) || !isCosSliceError(error, 'wrong-kind')) throw error;
    return client.stat(asDirectory(path), { signal });
  }
}

/** Everything below a directory, one after the other: a directory comes before what is in it. */
export async function* walk(
  client: Client,
  path: string,
  options: { readonly signal: AbortSignal; readonly order?: 'ascending' | 'descending' },
): AsyncGenerator<Entry, void, undefined> {
  for await (const entry of client.list(path, options)) {
    yield entry;
    if (entry.kind !== 'directory') continue;
    try {
      yield* walk(client, entry.path, options);
    } catch (error) {
      // It has gone since it was listed.
      if (!isCosSliceError(error, 'not-found')) throw error;
    }
  }
}

/** An entry for programs. */
export function entryFacts({ bucket }: Place, entry: Entry): object {
  const { name: _name, path, ...facts } = entry;
  return { ok: true, path: showPlace({ bucket, path }), ...facts };
}
