import type { Random } from '@cos-slice/testkit/simulated/random';
import type { DiskTroubles } from './world/storage.ts';

/** What may become of a request, and how often; a share of all requests. What is not named never happens in a world. */
export type FateName =
  | 'refused'
  | 'swallowed'
  | 'cut-in-body'
  | 'lost-reply'
  | 'no-reply'
  | 'late'
  | 'twice'
  | 'stalling'
  | 'slow-reply'
  | 'proxy-error'
  | 'proxy-error-after'
  | 'garbage'
  | 'truncated'
  | 'damaged'
  | 'hasty-finish';

const FATES: readonly FateName[] = [
  'refused',
  'swallowed',
  'cut-in-body',
  'lost-reply',
  'no-reply',
  'late',
  'twice',
  'stalling',
  'slow-reply',
  'proxy-error',
  'proxy-error-after',
  'garbage',
  'truncated',
  'damaged',
  'hasty-finish',
];

/** What happens to a client while it uploads, and when. */
export type Interruption = { readonly atMs: number } & (
  | { readonly what: 'die'; readonly afterCalls: number }
  | { readonly what: 'pause' | 'offline'; readonly forMs: number }
  | { readonly what: 'cancel' | 'change-file' }
  | { readonly what: 'clock-jumps'; readonly byMs: number }
);

export interface UploadPlan {
  readonly name: string;
  readonly startAtMs: number;
  readonly path: string;
  readonly content: Buffer;
  readonly sliceSize: number;
  readonly singleRequestMax: number;
  readonly concurrency: number | { min: number; max: number };
  readonly integrity: 'none' | 'md5' | 'sha1';
  readonly overwrite: boolean;
  readonly onConflict: 'error' | 'restart';
  readonly attributes: string | undefined;
  /** Whether it remembers what it has begun. */
  readonly remembers: boolean;
  readonly attempts: number;
  readonly timeoutMs: number;
  readonly interruptions: readonly Interruption[];
}

export interface ClientPlan {
  readonly name: string;
  readonly skewMs: number;
  /** Of its signatures. */
  readonly lifetimeSec: number;
  readonly sharesLimiter: boolean;
  readonly uploads: readonly UploadPlan[];
}

export type ServerEvent = { readonly atMs: number } & (
  | { readonly what: 'die'; readonly server: number; readonly afterCalls: number; readonly forMs: number }
  | { readonly what: 'restart'; readonly server: number; readonly forMs: number }
  | { readonly what: 'power-failure'; readonly forMs: number }
  | { readonly what: 'disk-full'; readonly forMs: number }
  | { readonly what: 'clock-jumps'; readonly server: number; readonly byMs: number }
  | { readonly what: 'session-dropped'; readonly path: string }
);

/** Everything that a seed decides before anything happens. */
export interface Scenario {
  /** What clients speak: the JSON API with servers of ours on a store, or an XML API with the gateways of an object storage. */
  readonly speech: 'json' | 'aws' | 'ceph' | 's3' | 'cos';
  /** What servers of ours keep things in. */
  readonly store: 'files' | 'cloud';
  readonly fsync: boolean;
  readonly servers: readonly { readonly skewMs: number }[];
  readonly serial: boolean;
  readonly instantFrom: 'covered' | 'bucket';
  readonly sessionTtlMs: number;
  readonly slice: { readonly minBytes: number; readonly maxBytes: number; readonly forcedBytes?: number };
  readonly latencyMs: number;
  readonly fates: Readonly<Partial<Record<FateName, number>>>;
  readonly disk: DiskTroubles;
  readonly cloudFailing: number;
  readonly signerFailing: number;
  readonly recordsFailing: number;
  /** The most that remembering takes. */
  readonly recordsMs: number;
  readonly clients: readonly ClientPlan[];
  readonly events: readonly ServerEvent[];
  /** How often somebody downloads from a path. */
  readonly readers: readonly { readonly atMs: number; readonly path: string }[];
  /** Nothing goes wrong from then on. */
  readonly healsAtMs: number;
}

const SLICE_SIZES = [64, 128, 192, 256, 512];
const PATHS = ['a', 'b', 'dir/c', 'dir/deep/d', 'e f/ü'];
const HOUR_MS = 3_600_000;

export function drawScenario(random: Random): Scenario {
  const { chance, between, below, pick } = random;
  const sometimes = (probability: number, draw: () => number): number => (chance(probability) ? draw() : 0);
  /** A share that may be tiny or large. */
  const share = (most: number): number => most * 10 ** -between(0, 2);

  const speech = chance(0.7) ? 'json' : pick(['aws', 'ceph', 's3', 'cos'] as const);
  const store = speech === 'json' && chance(0.55) ? 'files' : 'cloud';
  const isCalm = chance(0.12);
  const fates: Partial<Record<FateName, number>> = {};
  if (!isCalm) for (const name of FATES) if (chance(0.3)) fates[name] = share(0.3);
  const healsAtMs = between(20_000, 200_000);
  const servers = Array.from({ length: 1 + below(3) }, () => ({
    skewMs: sometimes(0.2, () => between(-90_000, 90_000)),
  }));
  /** Everybody wants the same few paths, for content of the same size. */
  const isCrowded = chance(0.3);
  const pathCount = isCrowded ? 1 + below(2) : 4 + below(8);
  const paths = Array.from({ length: pathCount }, (_, index) => PATHS[index] ?? `more/${index}`);
  // Content that several have, so that it is found where it is already; and other content of its size, which must not be taken for it.
  const poolBytes = sizeOf(random);
  const pool = Array.from({ length: 3 }, () => random.bytes(poolBytes));
  const clients = Array.from({ length: 1 + below(4) }, (_, index) =>
    drawClient(random, { name: `client-${index + 1}`, paths, pool, healsAtMs, isCalm, isCrowded }),
  );
  const fsync = store === 'files' && chance(0.5);
  const sessionTtlMs = chance(0.2) ? between(15_000, 120_000) : 7 * 24 * HOUR_MS;
  return {
    speech,
    store,
    fsync,
    servers,
    serial: chance(0.1),
    instantFrom: chance(0.5) ? 'bucket' : 'covered',
    sessionTtlMs,
    slice: { minBytes: 64, maxBytes: 1024, ...(chance(0.15) && { forcedBytes: pick(SLICE_SIZES) }) },
    latencyMs: between(2, 60),
    fates,
    disk: {
      latencyMs: chance(0.2) ? between(20, 200) : between(0.05, 3),
      failing: isCalm ? 0 : sometimes(0.25, () => share(0.02)),
      stalling: isCalm ? 0 : sometimes(0.15, () => share(0.01)),
      short: sometimes(0.3, () => share(0.3)),
      canClone: chance(0.2),
      hasLinks: chance(0.85),
    },
    cloudFailing: isCalm ? 0 : sometimes(0.3, () => share(0.05)),
    signerFailing: isCalm ? 0 : sometimes(0.1, () => share(0.2)),
    recordsFailing: isCalm ? 0 : sometimes(0.1, () => share(0.3)),
    clients,
    events: isCalm ? [] : drawEvents(random, { store, fsync, count: servers.length, paths, healsAtMs }),
    readers: Array.from({ length: below(4) }, () => ({ atMs: between(0, healsAtMs), path: pick(paths) })),
    healsAtMs,
    recordsMs: chance(0.2) ? between(20, 400) : 4,
  };
}

interface Surroundings {
  readonly name: string;
  readonly paths: readonly string[];
  readonly pool: readonly Buffer[];
  readonly healsAtMs: number;
  readonly isCalm: boolean;
  readonly isCrowded: boolean;
}

function drawClient(random: Random, surroundings: Surroundings): ClientPlan {
  const { chance, between, below } = random;
  const { name } = surroundings;
  return {
    name,
    skewMs: chance(0.15) ? between(-2 * HOUR_MS, 2 * HOUR_MS) : 0,
    lifetimeSec: chance(0.2) ? Math.floor(between(3, 40)) : 3600,
    sharesLimiter: chance(0.5),
    uploads: Array.from({ length: 1 + below(5) }, (_, index) =>
      drawUpload(random, { ...surroundings, name: `${name}/${index + 1}` }),
    ),
  };
}

function drawUpload(random: Random, { name, paths, pool, healsAtMs, isCalm, isCrowded }: Surroundings): UploadPlan {
  const { chance, between, below, pick } = random;
  const content = chance(isCrowded ? 0.9 : 0.4) ? pick(pool) : random.bytes(sizeOf(random));
  const interruptions: Interruption[] = [];
  const count = isCalm || chance(0.4) ? 0 : 1 + below(3);
  for (let i = 0; i < count; i++) interruptions.push(drawInterruption(random));
  return {
    name,
    startAtMs: chance(0.5) ? between(0, 3000) : between(0, healsAtMs),
    path: pick(paths),
    content,
    sliceSize: pick(SLICE_SIZES),
    singleRequestMax: pick([0, 0, 0, 256, 1024]),
    concurrency: chance(0.5) ? 1 + below(6) : { min: 1, max: 1 + below(8) },
    integrity: pick(['none', 'md5', 'md5', 'sha1', 'sha1']),
    overwrite: chance(0.35),
    onConflict: chance(0.3) ? 'restart' : 'error',
    attributes: chance(0.2) ? pick(['x', 'some text']) : undefined,
    remembers: chance(0.85),
    attempts: pick([4, 10, 10, 20]),
    timeoutMs: pick([10_000, 30_000, 30_000]),
    interruptions,
  };
}

function drawInterruption({ between, below, chance }: Random): Interruption {
  const atMs = between(0, 20_000);
  switch (below(8)) {
    case 0:
      return { atMs, what: 'pause', forMs: between(10, 60_000) };
    case 1:
      return { atMs, what: 'offline', forMs: between(10, 60_000) };
    case 2:
      return chance(0.5) ? { atMs, what: 'cancel' } : { atMs, what: 'change-file' };
    case 3:
      return { atMs, what: 'clock-jumps', byMs: between(-HOUR_MS, HOUR_MS) };
    default:
      return { atMs: atMs / 10, what: 'die', afterCalls: 1 + below(chance(0.5) ? 12 : 60) };
  }
}

interface Site {
  readonly store: Scenario['store'];
  readonly fsync: boolean;
  readonly count: number;
  readonly paths: readonly string[];
  readonly healsAtMs: number;
}

function drawEvents(random: Random, { store, fsync, count, paths, healsAtMs }: Site): ServerEvent[] {
  const { between, below, chance, pick } = random;
  const events: ServerEvent[] = [];
  const number = chance(0.4) ? 0 : below(5);
  for (let i = 0; i < number; i++) {
    const atMs = chance(0.6) ? between(0, 10_000) : between(0, healsAtMs);
    const server = below(count);
    const forMs = between(10, 20_000);
    const kind = below(8);
    if (kind < 3) events.push({ atMs, what: 'die', server, afterCalls: 1 + below(200), forMs });
    else if (kind === 3) events.push({ atMs, what: 'restart', server, forMs });
    else if (kind === 4 && fsync) events.push({ atMs, what: 'power-failure', forMs });
    else if (kind === 5 && store === 'files') events.push({ atMs, what: 'disk-full', forMs });
    else if (kind === 6) events.push({ atMs, what: 'clock-jumps', server, byMs: between(-60_000, 60_000) });
    else events.push({ atMs, what: 'session-dropped', path: pick(paths) });
  }
  return events.sort((one, other) => one.atMs - other.atMs);
}

function sizeOf({ chance, below, pick }: Random): number {
  if (chance(0.05)) return 0;
  if (chance(0.1)) return pick([1, 63, 64, 65, 128, 512, 1024]);
  return 1 + below(chance(0.7) ? 1500 : 6000);
}
