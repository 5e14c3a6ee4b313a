import type { ByteRange, Source } from '../../ports.ts';
import { type ContractCase, check, checkBytes, checkEqual, patternBytes, rejection } from './contract.ts';

export interface SourceSubject<C> {
  readonly source: Source<C>;
  read(content: C): Promise<Uint8Array>;
}

/** Makes a source of these bytes. Equal bytes are, as far as the platform can arrange it, the same unchanged content. */
export type MakeSource<C> = (bytes: Uint8Array) => Promise<SourceSubject<C>>;

const SLICE = 65_536;
const BYTES: Uint8Array = patternBytes(5 * SLICE + 1234);

function rangesOf(sizeBytes: number): ByteRange[] {
  return Array.from({ length: Math.ceil(sizeBytes / SLICE) }, (_, index) => ({
    offset: index * SLICE,
    length: Math.min(SLICE, sizeBytes - index * SLICE),
  }));
}

function live(): AbortSignal {
  return new AbortController().signal;
}

function expected({ offset, length }: ByteRange): Uint8Array {
  return BYTES.subarray(offset, offset + length);
}

/** For sources of content `C`: `sourceContract<Blob>()`. */
export function sourceContract<C>(): readonly ContractCase<MakeSource<C>>[] {
  const using = async (
    makeSource: MakeSource<C>,
    bytes: Uint8Array,
    use: (subject: SourceSubject<C>) => Promise<void>,
  ): Promise<void> => {
    const subject = await makeSource(bytes);
    try {
      await use(subject);
    } finally {
      await subject.source.close?.();
    }
  };
  return [
    {
      name: 'gives every slice, the short last one included',
      run: (makeSource) =>
        using(makeSource, BYTES, async ({ source, read }) => {
          checkEqual(source.sizeBytes, BYTES.length, 'sizeBytes');
          for (const range of rangesOf(BYTES.length)) {
            const content = await source.slice(range, live());
            checkBytes(await read(content), expected(range), `slice at ${range.offset}`);
            source.release?.(content);
            source.stored?.(range);
          }
          await source.verify?.();
        }),
    },
    {
      name: 'gives all slices at once',
      run: (makeSource) =>
        using(makeSource, BYTES, async ({ source, read }) => {
          const ranges = rangesOf(BYTES.length);
          const contents = await Promise.all(ranges.map((range) => source.slice(range, live())));
          for (const [index, range] of ranges.entries()) {
            const content = contents[index];
            check(content !== undefined, 'a slice is missing');
            checkBytes(await read(content), expected(range), `slice at ${range.offset}`);
            source.release?.(content);
          }
        }),
    },
    {
      name: 'gives a slice again for a retry, after its memory was given back',
      run: (makeSource) =>
        using(makeSource, BYTES, async ({ source, read }) => {
          const [first, second] = rangesOf(BYTES.length);
          check(first !== undefined && second !== undefined, 'two slices');
          const content = await source.slice(first, live());
          source.release?.(content);
          const other = await source.slice(second, live());
          const again = await source.slice(first, live());
          checkBytes(await read(other), expected(second), 'the slice in between');
          checkBytes(await read(again), expected(first), 'the slice read again');
        }),
    },
    {
      name: 'gives slices whose neighbours were aborted',
      run: (makeSource) =>
        using(makeSource, BYTES, async ({ source, read }) => {
          const ranges = rangesOf(BYTES.length);
          const [first, second] = ranges;
          check(first !== undefined && second !== undefined, 'two slices');
          const controller = new AbortController();
          const reason = new Error('not needed any more');
          const aborted = source.slice(first, controller.signal).then(
            () => undefined,
            (error) => error,
          );
          const wanted = source.slice(second, live());
          controller.abort(reason);
          const outcome = await aborted;
          check(outcome === undefined || outcome === reason, `expected the abort's reason, got ${outcome}`);
          checkBytes(await read(await wanted), expected(second), 'the slice that was not aborted');
          checkBytes(await read(await source.slice(first, live())), expected(first), 'the aborted slice, asked again');
        }),
    },
    {
      name: "rejects with the signal's reason when it is aborted already",
      run: (makeSource) =>
        using(makeSource, BYTES, async ({ source }) => {
          const controller = new AbortController();
          const reason = new Error('cancelled');
          controller.abort(reason);
          const error = await rejection(source.slice({ offset: 0, length: SLICE }, controller.signal), 'slice');
          check(error === reason, `expected the abort's reason, got ${error}`);
        }),
    },
    {
      name: 'gives an empty slice of an empty source',
      run: (makeSource) =>
        using(makeSource, new Uint8Array(0), async ({ source, read }) => {
          checkEqual(source.sizeBytes, 0, 'sizeBytes');
          const content = await source.slice({ offset: 0, length: 0 }, live());
          checkEqual((await read(content)).length, 0, 'length');
          await source.verify?.();
        }),
    },
    {
      name: 'has an identity that follows the content: its ends, its middle and its length',
      run: async (makeSource) => {
        const identify = async (bytes: Uint8Array): Promise<string | undefined> => {
          let identity: string | undefined;
          await using(makeSource, bytes, async ({ source }) => {
            identity = await source.identity(live());
            checkEqual(await source.identity(live()), identity, 'the identity, asked twice');
          });
          return identity;
        };
        const original = await identify(BYTES);
        if (original === undefined) return;
        const variants = [
          BYTES.subarray(0, BYTES.length - 1),
          ...[0, BYTES.length >> 1, BYTES.length - 1].map((at) => {
            const copy = BYTES.slice();
            copy[at] = (copy[at] ?? 0) ^ 1;
            return copy;
          }),
        ];
        for (const variant of variants) check((await identify(variant)) !== original, 'other content, same identity');
      },
    },
  ];
}
