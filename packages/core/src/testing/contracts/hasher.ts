import type { Checksum, FileHash, HashCheckpoint, Hasher, Source } from '../../ports.ts';
import { type ContractCase, check, checkBytes, checkEqual, patternBytes, pause, rejection } from './contract.ts';

export interface HasherSubject<C> {
  readonly hasher: Hasher<C>;
  /** A source of `bytes`; the same bytes are the same unchanged content. */
  source(bytes: Uint8Array): Promise<Source<C>>;
  content(bytes: Uint8Array): C;
  read(content: C): Promise<Uint8Array>;
}

export type MakeHasher<C> = () => Promise<HasherSubject<C>>;

/** Of `patternBytes(sizeBytes)`. */
const DIGESTS = [
  { sizeBytes: 0, md5: 'd41d8cd98f00b204e9800998ecf8427e', sha1: 'da39a3ee5e6b4b0d3255bfef95601890afd80709' },
  { sizeBytes: 1000, md5: '55888890a0dece65181009de63eca458', sha1: '0e7e4d323b5c056796693159d1928e4cc97a5a7b' },
  { sizeBytes: 131_085, md5: 'cb71c7f2eeb89d3aeec4a95ac95eb3e9', sha1: '357b5d4a1d17f064a726cc76b695a6ac3782c7be' },
] as const;

/** Of `123456789`, as catalogues of CRCs have them. */
const CRC64_CHECKS = { 'crc64-xz': '995dc9bbdf1939fa', 'crc64-nvme': 'ae8b14860a799888' };

const SLICE = 524_288;
/** Of `patternBytes(sizeBytes)` in slices of 512 KiB: chaining states, then the digest. */
const PARTS = [
  { sizeBytes: 63, datashas: ['a8f606c343b26fa851dfd149f7b12fc2dbf1af34'] },
  {
    sizeBytes: 1_048_576,
    datashas: ['7942d9eed8a795560c11111a18937adc39602362', 'c275c8bf49c6ae8e69c5dc1ad115b529596547e7'],
  },
  {
    sizeBytes: 1_048_577,
    datashas: [
      '7942d9eed8a795560c11111a18937adc39602362',
      'cc3618fd8e60a0af97c294575113a1e771495f11',
      '925fc3e1287224d058fa831be2032cd43db31d31',
    ],
  },
];

interface Pass {
  readonly hash: FileHash;
  readonly progress: readonly number[];
}

async function pass<C>(
  subject: HasherSubject<C>,
  bytes: Uint8Array,
  sliceSizeBytes: number,
  from?: HashCheckpoint,
): Promise<Pass> {
  const source = await subject.source(bytes);
  const progress: number[] = [];
  try {
    const hash = await subject.hasher.uploadParts(source, sliceSizeBytes, {
      signal: new AbortController().signal,
      ...(from ? { from } : {}),
      onProgress: (hashedBytes) => progress.push(hashedBytes),
      onCheckpoint() {},
    });
    return { hash, progress };
  } finally {
    await source.close?.();
  }
}

/** For hashers of content `C`: `hasherContract<Blob>()`. */
export function hasherContract<C>(): readonly ContractCase<MakeHasher<C>>[] {
  return [
    ...(['crc64-xz', 'crc64-nvme'] as const).map(
      (algorithm): ContractCase<MakeHasher<C>> => ({
        name: `digests slices with ${algorithm}, and puts together that of the whole`,
        async run(make) {
          const { hasher, content } = await make();
          const { signal } = new AbortController();
          const digest = (bytes: Uint8Array): Promise<string> => hasher.digest(algorithm, content(bytes), signal);
          checkEqual(await digest(new TextEncoder().encode('123456789')), CRC64_CHECKS[algorithm], 'its check value');
          const bytes = patternBytes(131_085);
          const parts = new Map<number, Checksum>();
          for (const [start, end] of [
            [0, 65_536],
            [65_536, 131_072],
            [131_072, 131_085],
          ] as const) {
            parts.set(start, { sizeBytes: end - start, digest: await digest(bytes.subarray(start, end)) });
          }
          checkEqual(await hasher.combine(algorithm, parts, bytes.length), await digest(bytes), 'of the whole');
        },
      }),
    ),
    ...(['md5', 'sha1'] as const).map(
      (algorithm): ContractCase<MakeHasher<C>> => ({
        name: `digests slices with ${algorithm}, several at once, and leaves them as they are`,
        async run(makeSubject) {
          const { hasher, content, read } = await makeSubject();
          const { signal } = new AbortController();
          await Promise.all(
            [...DIGESTS, ...DIGESTS].map(async (expected) => {
              const bytes = patternBytes(expected.sizeBytes);
              const body = content(bytes);
              const what = `${algorithm} of ${expected.sizeBytes} bytes`;
              checkEqual(await hasher.digest(algorithm, body, signal), expected[algorithm], what);
              checkEqual(await hasher.digest(algorithm, body, signal), expected[algorithm], `${what}, again`);
              checkBytes(await read(body), patternBytes(expected.sizeBytes), 'the content afterwards');
            }),
          );
        },
      }),
    ),
    {
      name: "refuses to digest with the signal's reason when it is aborted",
      async run(makeSubject) {
        const { hasher, content } = await makeSubject();
        const controller = new AbortController();
        const reason = new Error('cancelled');
        controller.abort(reason);
        const error = await rejection(hasher.digest('md5', content(patternBytes(1000)), controller.signal), 'digest');
        check(error === reason, `expected the abort's reason, got ${error}`);
      },
    },
    ...PARTS.map(
      ({ sizeBytes, datashas }): ContractCase<MakeHasher<C>> => ({
        name: `makes sha and uploadparts of ${sizeBytes} bytes as the vendor's clients do`,
        async run(makeSubject) {
          const { hash, progress } = await pass(await makeSubject(), patternBytes(sizeBytes), SLICE);
          const parts = datashas.map((datasha, index) => ({
            offset: index * SLICE,
            datalen: Math.min(SLICE, sizeBytes - index * SLICE),
            datasha,
          }));
          checkEqual(hash, { sha: datashas.at(-1), parts }, 'hash');
          const falls = progress.some((bytes, index) => bytes < (progress[index - 1] ?? 0));
          check(!falls && progress.at(-1) === sizeBytes, `progress must rise to ${sizeBytes}, got ${progress}`);
        },
      }),
    ),
    {
      name: 'starts over from a checkpoint that it cannot use',
      async run(makeSubject) {
        const bytes = patternBytes(1_048_577);
        const expected = PARTS[2]?.datashas.at(-1);
        for (const from of [
          { hashedBytes: SLICE, data: '' },
          { hashedBytes: SLICE, data: '{"version":99}' },
          { hashedBytes: 2 ** 40, data: 'x' },
          { hashedBytes: -1, data: 'AAAA' },
        ]) {
          const { hash } = await pass(await makeSubject(), bytes, SLICE, from);
          checkEqual(hash.sha, expected, `sha after the checkpoint ${JSON.stringify(from)}`);
        }
      },
    },
    {
      name: 'stops at once when aborted, and the next pass is right',
      async run(makeSubject) {
        const subject = await makeSubject();
        const source = await subject.source(patternBytes(48 * 1024 * 1024));
        const controller = new AbortController();
        const reason = new Error('cancelled');
        let calls = 0;
        const hashing = subject.hasher.uploadParts(source, SLICE, {
          signal: controller.signal,
          onProgress() {
            calls += 1;
            controller.abort(reason);
          },
          onCheckpoint() {},
        });
        const error = await rejection(hashing, 'uploadParts');
        check(error === reason, `expected the abort's reason, got ${error}`);
        const callsAtEnd = calls;
        await pause(100);
        checkEqual(calls, callsAtEnd, 'calls of onProgress after the end');
        await source.close?.();
        const { hash } = await pass(subject, patternBytes(1_048_576), SLICE);
        checkEqual(hash.sha, PARTS[1]?.datashas.at(-1), 'sha of the next pass');
      },
    },
  ];
}
