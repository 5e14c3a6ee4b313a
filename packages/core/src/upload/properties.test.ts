import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CosSliceError } from '../errors.ts';
import type { Answer } from '../protocol/operations.ts';
import { historyArbitrary } from '../testing/histories/history.ts';
import { LOCATION, OUR_SHA, refused } from '../testing/histories/model-server.ts';
import { type Machine, play } from '../testing/histories/play.ts';
import { detours } from './detours.ts';
import { type Command, plan } from './plan.ts';
import { initialState, isOver, type Job, type UploadEvent, type UploadState } from './state.ts';
import { transition as transitionWith } from './transition.ts';

const transition = (state: UploadState, event: UploadEvent): UploadState => transitionWith(state, event, detours);

/**
 * Generated histories: the real `transition` and `plan` against a model of a server that keeps what it is sent, under lost
 * requests, lost replies, refusals, lost sessions, pauses, outages and a moving window. Whatever happens, the rules hold.
 */

const { SEED = '20161', HISTORIES = '3000' } = process.env;

function check(machine: Machine, parameters: fc.Parameters<unknown>): void {
  fc.assert(
    fc.property(historyArbitrary, (history) => {
      play(history, machine);
    }),
    { seed: Number(SEED), ...parameters },
  );
}

describe('every history of an upload', () => {
  test('keeps the rules of the state machine', () => {
    check({ transition, plan }, { numRuns: Number(HISTORIES) });
  });

  test('is total: events that make no sense change nothing and never throw', () => {
    const junk: fc.Arbitrary<UploadEvent> = fc.oneof(
      fc.record({ type: fc.constant('started' as const), run: fc.nat(3), slice: fc.integer({ min: -1, max: 30 }) }),
      fc.record({ type: fc.constant('stopped' as const), run: fc.nat(3), slice: fc.integer({ min: -1, max: 30 }) }),
      fc.record({
        type: fc.constant('replied' as const),
        run: fc.nat(3),
        slice: fc.integer({ min: -1, max: 30 }),
        reply: fc.constantFrom<Answer>(
          { kind: 'stored' },
          { kind: 'absent' },
          { kind: 'unfinished' },
          { kind: 'discarded' },
          { kind: 'present', location: LOCATION },
          { kind: 'opened', session: 's', sliceSizeBytes: 16, serial: false, sessionDelete: false },
          { kind: 'session-gone', error: refused('not-found', -197) },
          { kind: 'incomplete', error: refused('bad-request', -5999) },
        ),
      }),
      fc.record({
        type: fc.constant('hashed' as const),
        run: fc.nat(3),
        hash: fc.constant({ sha: OUR_SHA, parts: [] }),
      }),
      fc.record({
        type: fc.constant('source-opened' as const),
        run: fc.nat(3),
        sizeBytes: fc.constant(200),
        sliceSizeBytes: fc.constant(16),
      }),
      fc.record({ type: fc.constant('recalled' as const), run: fc.nat(3) }),
      fc.record({ type: fc.constantFrom('paused' as const, 'offline' as const), nowMs: fc.constant(1_000_000) }),
      fc.record({
        type: fc.constantFrom('resumed' as const, 'online' as const, 'seated' as const, 'unseated' as const),
      }),
    );
    fc.assert(
      fc.property(
        fc.array(junk, { maxLength: 40 }),
        fc.constantFrom('none' as const, 'sha1' as const),
        (events, integrity) => {
          const job: Job = {
            sizeBytes: 200,
            sliceSizeBytes: 16,
            singleMaxBytes: -1,
            integrity,
            overwrite: false,
            onConflict: 'error',
            retry: { attempts: 3, attemptsPerUpload: 9, baseDelayMs: 1, maxDelayMs: 1 },
          };
          let state = initialState(job);
          for (const event of events) {
            state = transition(state, event);
            const commands = plan(state, { concurrency: 2 }, 1_000_000);
            expect(commands.every((one) => one.type !== 'send' || one.range.length > 0)).toBe(true);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});

// Not where mistakes are made in the code itself: these are about the rules, and take their time.
describe.skipIf(process.env.HISTORIES)('the rules notice', () => {
  const sends = (commands: Command[]): Command[] => commands.filter((command) => command.type === 'send');
  const mutants: Record<string, Machine> = {
    'a plan that ignores the limit': {
      transition,
      plan: (state, limits, nowMs) => plan(state, { concurrency: limits.concurrency + 1 }, nowMs),
    },
    'a plan that ignores serial uploads': {
      transition,
      plan: (state, limits, nowMs) =>
        plan(
          state.phase === 'sending' && state.session
            ? { ...state, session: { ...state.session, serial: false } }
            : state,
          limits,
          nowMs,
        ),
    },
    'a plan that goes on while paused': {
      transition,
      plan: (state, limits, nowMs) => plan(isOver(state) ? state : { ...state, pausedAtMs: undefined }, limits, nowMs),
    },
    'a plan that goes on while offline': {
      transition,
      plan: (state, limits, nowMs) => plan(isOver(state) ? state : { ...state, probeAtMs: undefined }, limits, nowMs),
    },
    'a plan that starts at the first slice again': {
      transition,
      plan: (state, limits, nowMs) =>
        plan(state.phase === 'sending' ? { ...state, cursor: 0, active: [] } : state, limits, nowMs),
    },
    'a plan that skips the last slice': {
      transition,
      plan: (state, limits, nowMs) =>
        plan(state, limits, nowMs).filter(
          (one) => one.type !== 'send' || state.phase !== 'sending' || one.slice < state.stored.size - 1,
        ),
    },
    'a plan with ranges that overlap': {
      transition,
      plan: (state, limits, nowMs) =>
        plan(state, limits, nowMs).map((one) =>
          one.type === 'send' && one.slice > 0
            ? { ...one, range: { ...one.range, offset: one.range.offset - 1 } }
            : one,
        ),
    },
    'a plan that forgets what is in flight': {
      transition,
      plan: (state, limits, nowMs) => {
        const commands = plan(state, limits, nowMs);
        return sends(commands).length > 1 ? commands.slice(1) : commands;
      },
    },
    'a plan that does not wake up': {
      transition,
      plan: (state, limits, nowMs) => plan(state, limits, nowMs).filter((one) => one.type !== 'wait'),
    },
    'a transition that finishes early': {
      plan,
      transition: (state, event) => {
        const next = transition(state, event);
        if (next.phase !== 'sending' || !next.session || next.stored.count !== next.stored.size - 1) return next;
        const { active: _active, cursor: _cursor, session, ...rest } = next;
        return { ...rest, session, phase: 'finishing', step: 'finish' };
      },
    },
    'a transition that forgets that a slice was stored': {
      plan,
      transition: (state, event) => {
        const next = transition(state, event);
        return state.phase === 'sending' && next.phase === 'sending' && event.type === 'replied'
          ? { ...next, stored: state.stored }
          : next;
      },
    },
    'a transition that takes a stored slice for a waiting one': {
      plan,
      transition: (state, event) => {
        const next = transition(state, event);
        return state.phase === 'sending' && next.phase === 'sending' && event.type === 'replied'
          ? { ...next, active: state.active }
          : next;
      },
    },
    'a transition that believes replies to an earlier run': {
      plan,
      transition: (state, event) =>
        transition(state, 'run' in event && 'run' in state ? { ...event, run: state.run } : event),
    },
    'a transition that ends twice': {
      plan,
      transition: (state, event) => (isOver(state) ? { ...state } : transition(state, event)),
    },
    'a transition that gives up at the first failure': {
      plan,
      transition: (state, event) =>
        event.type === 'failed'
          ? transition(state, { ...event, error: new CosSliceError('integrity', 'no') })
          : transition(state, event),
    },
    'a transition that never gives up a session': {
      plan,
      transition: (state, event) =>
        event.type === 'replied' && event.reply.kind === 'session-gone' && state.phase === 'sending'
          ? state
          : transition(state, event),
    },
    'a transition that takes other content for its own': {
      plan,
      transition: (state, event) => {
        if (event.type !== 'replied' || event.reply.kind !== 'listed') return transition(state, event);
        const { sha: _sha, sizeBytes: _sizeBytes, ...reply } = event.reply;
        return transition(state, { ...event, reply });
      },
    },
    'a transition that adopts a session of other content': {
      plan,
      transition: (state, event) => {
        if (event.type !== 'recalled') return transition(state, event);
        const { foreignSession: _foreign, ...rest } = event;
        return transition(state, rest);
      },
    },
  };

  test.each(Object.entries(mutants))('%s', (_name, machine) => {
    // That one is found is enough: the shortest history would be looked for among thousands.
    expect(() => check(machine, { numRuns: 1500, endOnFailure: true })).toThrow();
  });
});
