import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import { jsonApi } from '../protocol/json-api/index.ts';
import type { Answer } from '../protocol/operations.ts';
import { detours } from './detours.ts';
import { initialState, isOver, isSingle, type Job, type UploadEvent, type UploadState } from './state.ts';
import { create, discard, fail, list, succeed } from './steps.ts';
import { transition as transitionWith } from './transition.ts';
import { whenTaken } from './when-taken.ts';

const transition = (state: UploadState, event: UploadEvent): UploadState => transitionWith(state, event, detours);
const PLAIN = { transition, list, create, discard, succeed, fail };

/**
 * Walks through every state that can be reached in a small upload, with every kind of event that can come there, and holds what it
 * finds against docs/upload.md. `UPDATE_DOCS=1` writes it there.
 */

const DOCUMENT = fileURLToPath(new URL('../../../../docs/upload.md', import.meta.url));
const [OURS, OTHERS] = ['a'.repeat(40), 'b'.repeat(40)];
const SIZE = 1024 * 1024;
const location = { accessUrl: 'http://x/o', sourceUrl: '', url: '', resourcePath: '' };
const facts = { sliceSizeBytes: SIZE, serial: false, sessionDelete: true };
const refused = (code: 'not-found' | 'bad-request' | 'conflict'): CosSliceError => new CosSliceError(code, code);
const SLICES = [{ offset: 0, length: SIZE }];

const present: Answer[] = [OURS, OTHERS, undefined].map((sha) => ({ kind: 'present', location, sizeBytes: SIZE, sha }));
const conflict: Answer = { kind: 'conflict', error: refused('conflict') };
const sessionGone: Answer = { kind: 'session-gone', error: refused('not-found') };
const listed: Answer[] = ['s1', 's2'].flatMap((session) => [
  { kind: 'listed', session, ...facts, stored: [] },
  { kind: 'listed', session, ...facts, stored: SLICES },
  { kind: 'listed', session, ...facts, stored: [], sizeBytes: 7 },
  { kind: 'listed', session, ...facts, stored: [], sha: OURS },
]);

/** What may be answered to each step's request. */
const ANSWERS = {
  init: [{ kind: 'opened', session: 's1', ...facts }, { kind: 'unfinished' }, ...present, conflict],
  list: [...listed, ...present, { kind: 'absent' }, conflict],
  discard: [{ kind: 'discarded' }, { kind: 'absent' }, conflict],
  slice: [{ kind: 'stored' }, { kind: 'stored', location }, sessionGone, conflict],
  single: [...present, conflict],
  finish: [...present, sessionGone, { kind: 'incomplete', error: refused('bad-request') }, conflict],
} satisfies Record<string, Answer[]>;

/** Steps whose requests make an object where there must be none. */
const MAKERS: readonly string[] = ['init', 'send', 'finish'];
const ERRORS = {
  failed: new CosSliceError('network', 'lost', { remedy: 'backoff' }),
  refused: new CosSliceError('unauthorized', 'no'),
  exists: new CosSliceError('exists', 'no'),
  'too large': new CosSliceError('bad-request', 'no', { httpStatus: 413 }),
};

interface Edge {
  readonly from: string;
  readonly event: string;
  readonly to: string;
}

function nameOf(state: UploadState): string {
  if (isOver(state)) return state.phase;
  return state.step === 'list' ? `list to ${state.why.for}` : state.step;
}

/** Everything that can come while a state lasts, with a name for each. */
function eventsAt(state: UploadState): (readonly [name: string, event: UploadEvent])[] {
  if (isOver(state)) return [];
  const { run, step } = state;
  const outcomes = (slice?: number): (readonly [string, UploadEvent])[] => {
    const answers = step === 'send' ? ANSWERS[state.session ? 'slice' : 'single'] : [];
    const asked: Answer[] = step in ANSWERS ? ANSWERS[step as 'init'] : answers;
    return [
      ...asked.map((reply) => [reply.kind, { type: 'replied', run, slice, reply }] as const),
      ...Object.entries(ERRORS)
        .filter(([name]) => name !== 'exists' || MAKERS.includes(step))
        .filter(([name]) => name !== 'too large' || step === 'send')
        .map(
          ([name, error]) => [name, { type: 'failed', run, slice, error, nowMs: 0, random: 0, online: true }] as const,
        ),
      ['stopped', { type: 'stopped', run, slice }],
    ];
  };
  switch (step) {
    case 'source':
      return [['opened', { type: 'source-opened', run, sizeBytes: SIZE, sliceSizeBytes: SIZE }], ...outcomes()];
    case 'recall':
      return [
        ['recalled', { type: 'recalled', run }],
        ['recalled', { type: 'recalled', run, session: 's1', sliceSizeBytes: SIZE }],
        ['recalled', { type: 'recalled', run, session: 's1', sliceSizeBytes: SIZE, sha: OURS, finishing: true }],
        ['recalled', { type: 'recalled', run, foreignSession: 's1' }],
        ['recalled', { type: 'recalled', run, sha: OURS, initCalled: true }],
        ...outcomes(),
      ];
    case 'hash':
      return [['hashed', { type: 'hashed', run, hash: { sha: OURS, parts: [] } }], ...outcomes()];
    case 'send': {
      return [
        ['started', { type: 'started', run, slice: 0 }],
        ...(state.session ? [] : [['hashed', { type: 'hashed', run, hash: { sha: OURS, parts: [] } }] as const]),
        ...state.active.flatMap(({ index }) => outcomes(index)),
      ];
    }
    default:
      return outcomes();
  }
}

/** What tells two states apart, as far as what follows is concerned. */
function keyOf(state: UploadState): string {
  if (isOver(state)) return state.phase;
  const { run: _run, rounds: _rounds, failures: _failures, contacted: _contacted, lostAtBytes, hash, ...more } = state;
  const { resumed: _resumed, resumedBytes: _bytes, namesRefused: _names, ...rest } = more;
  return JSON.stringify({ ...rest, hashed: hash !== undefined, lost: lostAtBytes >= 0 }, (name, value) => {
    if (name === 'running') return undefined;
    // Which name it is makes no difference, but how many are left between one that is taken and one that is free.
    if (name === 'name' || name === 'taken' || name === 'free') return Math.min(2, value);
    return value instanceof CosSliceError ? value.code : value;
  });
}

function walk(job: Job): Edge[] {
  const edges: Edge[] = [];
  const seen = new Set<string>();
  const queue: UploadState[] = [initialState(job)];
  for (let state = queue.pop(); state; state = queue.pop()) {
    for (const [event, cause] of eventsAt(state)) {
      const next = whenTaken.transition(PLAIN, state, cause);
      const moved = isOver(next) || isOver(state) || next.run !== state.run;
      if (moved) edges.push({ from: nameOf(state), event, to: nameOf(next) });
      const key = keyOf(next);
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push(next);
    }
  }
  return edges;
}

const BASE: Job = {
  sizeBytes: 0,
  sliceSizeBytes: SIZE,
  singleMaxBytes: -1,
  sizes: jsonApi.traits,
  integrity: 'none',
  overwrite: false,
  onConflict: 'error',
  retry: { attempts: 2, attemptsPerUpload: 9, baseDelayMs: 0, maxDelayMs: 0 },
};
const OVERWRITES = [false, true, 'skip', 'rename'] as const;

const JOBS: Job[] = [
  ...(['none', 'sha1'] as const).flatMap((integrity) =>
    [-1, SIZE].flatMap((singleMaxBytes) =>
      OVERWRITES.flatMap((overwrite) =>
        (['error', 'restart'] as const).map((onConflict) => ({
          ...BASE,
          singleMaxBytes,
          integrity,
          overwrite,
          onConflict,
        })),
      ),
    ),
  ),
  ...OVERWRITES.map((overwrite) => ({ ...BASE, overwrite, hidesSessions: true })),
];

const STEPS = [
  'source',
  'recall',
  'hash',
  'init',
  ...['resume', 'adopt', 'claim', 'conflict', 'loss', 'finish', 'look', 'name'].map((why) => `list to ${why}`),
  'discard',
  'send',
  'finish',
];
const ENDS = ['done', 'failed'];

const edges = [...new Map(JOBS.flatMap(walk).map((edge) => [JSON.stringify(edge), edge])).values()];
const order = (name: string): number => [...STEPS, ...ENDS].indexOf(name);
const sorted = (names: Iterable<string>): string[] => [...new Set(names)].sort((a, b) => order(a) - order(b));

/** `step | event | next` for every step and every event that leads on. */
function tableOf(): string {
  const rows = STEPS.flatMap((step) => {
    const here = edges.filter(({ from }) => from === step);
    return [...new Set(here.map(({ event }) => event))].sort().map((event) => {
      const next = sorted(here.filter((edge) => edge.event === event).map(({ to }) => to));
      return `| ${step} | ${event} | ${next.join(', ')} |`;
    });
  });
  return ['| step | event | next |', '|---|---|---|', ...rows].join('\n');
}

function diagramOf(): string {
  const id = (name: string): string => name.replace(/ to /, '_');
  const arrows = STEPS.flatMap((step) =>
    sorted(edges.filter(({ from }) => from === step).map(({ to }) => to))
      // Every step may fail: drawn, it would hide the rest.
      .filter((to) => to !== 'failed')
      .map((to) => {
        const events = edges.filter((edge) => edge.from === step && edge.to === to).map(({ event }) => event);
        return `  ${id(step)} --> ${id(to)}: ${[...new Set(events)].sort().join(', ')}`;
      }),
  );
  const states = STEPS.filter((step) => step.includes(' ')).map((step) => `  state "${step}" as ${id(step)}`);
  return ['```mermaid', 'stateDiagram-v2', ...states, '  [*] --> source', ...arrows, '  done --> [*]', '```'].join(
    '\n',
  );
}

/** What stands between the marks of a part. */
function marked(name: string): RegExp {
  return new RegExp(`(<!-- ${name} -->\\n)([\\s\\S]*?)(\\n<!-- /${name} -->)`);
}

function block(text: string, name: string): string {
  return marked(name).exec(text)?.[2] ?? '';
}

describe('docs/upload.md', () => {
  if (process.env.UPDATE_DOCS) {
    const write = (text: string, name: string, inside: string): string =>
      text.replace(marked(name), (_all, start, _inside, end) => `${start}${inside}${end}`);
    const text = readFileSync(DOCUMENT, 'utf8');
    writeFileSync(DOCUMENT, write(write(text, 'table', tableOf()), 'diagram', diagramOf()));
  }
  const text = readFileSync(DOCUMENT, 'utf8');

  test('has the table of what follows what', () => {
    expect(block(text, 'table')).toBe(tableOf());
  });

  test('has the diagram of it', () => {
    expect(block(text, 'diagram')).toBe(diagramOf());
  });

  test('says of every step what it asks', () => {
    const described = [...block(text, 'steps').matchAll(/^\| `([^`]+)` \|/gm)].map(([, step]) => step);
    expect(described).toEqual(STEPS);
  });

  test('leaves out no step that can be reached', () => {
    expect(sorted(edges.flatMap(({ from, to }) => [from, to]))).toEqual([...STEPS, ...ENDS]);
  });
});

test('cancelling ends every step that can be reached, and nothing ends what is over', () => {
  for (const job of JOBS) {
    const state = initialState(job);
    expect(transition(state, { type: 'cancelled', reason: 'enough' }).phase).toBe('cancelled');
    expect(isSingle(job)).toBe(job.singleMaxBytes >= 0);
  }
});
