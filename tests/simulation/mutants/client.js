// @ts-check
/** @import { Mutant } from './index.js' */

const upload = 'packages/core/src/upload';

/** Of the machine, which decides. @type {Mutant[]} */
export const machine = [
  {
    name: 'a stored slice is sent again',
    file: `${upload}/sending.ts`,
    find: 'const stored = addSlice(state.stored, index);',
    replace:
      'const stored = index % 3 === 1 && state.active.length > 1 ? state.stored : addSlice(state.stored, index);',
  },
  {
    name: 'finish is called although a slice is missing',
    file: `${upload}/steps.ts`,
    find: 'if (stored.count < stored.size || unproven?.length || !session) return state;',
    replace: 'if (stored.count < stored.size - 1 || unproven?.length || !session) return state;',
  },
  {
    name: 'what is listed is taken as it comes, whole slices or not, and of any session',
    file: `${upload}/detours.ts`,
    find: "if ('session' in why && reply.session !== why.session && !proven) return onNothing(state);",
    replace: '',
  },
  {
    name: 'an object of the same size is taken for our own',
    file: `${upload}/detours.ts`,
    find: 'const believed = proven || isMade;',
    replace: 'const believed = proven || reply.sizeBytes === job.sizeBytes;',
  },
  {
    name: 'after finish, whatever object is there counts as ours',
    file: `${upload}/detours.ts`,
    find: 'isOfSession(why, reply.madeBy);',
    replace: 'finishCalled;',
  },
  {
    name: 'a session of other content is gone on with',
    file: `${upload}/detours.ts`,
    find: 'if (isTaken || isOther(state, reply) || (reply.session === foreignSession && !proven)) {',
    replace: 'if (false) {',
  },
  {
    name: 'content that is hashed differently from before is still believed to be ours',
    file: `${upload}/opening.ts`,
    find: 'const initCalled = before.initCalled && sha === content.sha;',
    replace: 'const { initCalled } = before;',
  },
  {
    name: 'an upload in the way is removed although nobody said so',
    file: `${upload}/detours.ts`,
    find: "if (cleared || !(mayBeOurs || job.onConflict === 'restart')) return fail(state, error);",
    replace: 'if (cleared) return fail(state, error);',
  },
  {
    name: 'an object in the way is never asked for its owner',
    file: `${upload}/detours.ts`,
    find: "if (error.code === 'exists') return onExists(state, tries, error);",
    replace: "if (error.code === 'exists') return fail(state, error);",
  },
  {
    name: 'a session that is gone while the last slices are unheard of counts as lost',
    file: `${upload}/detours.ts`,
    find: "return list(state, {\n    for: 'loss',",
    replace: "if (session) return loseSession(state, storedBytes, error);\n  return list(state, {\n    for: 'loss',",
  },
  {
    name: 'a lost session fails the upload',
    file: `${upload}/detours.ts`,
    find: 'if (storedBytes > state.lostAtBytes) return create({ ...state, lostAtBytes: storedBytes });',
    replace: '',
  },
  {
    name: 'a finish whose answer was lost is believed to have failed',
    file: `${upload}/detours.ts`,
    find: 'if (state.attempt > 0 || state.brokenOff) return lookAfterFinish(state, error);',
    replace: 'if (state.attempt > 0 || state.brokenOff) return loseSession(state, state.job.sizeBytes, error);',
  },
  {
    name: 'a slice that fails is forgotten',
    file: `${upload}/sending.ts`,
    find: 'one.index === index ? { ...one, running: false, ...change } : one',
    replace: 'one.index === index ? { ...one, ...change } : one',
  },
  {
    name: 'more slices are sent at a time than there are places',
    file: `${upload}/plan.ts`,
    find: 'for (let index = state.cursor; taken < places && index < state.stored.size; taken += 1) {',
    replace: 'for (let index = state.cursor; taken < places + 1 && index < state.stored.size; taken += 1) {',
  },
  {
    name: 'a server that wants one slice after another gets several',
    file: `${upload}/plan.ts`,
    find: 'const places = state.session?.serial ? 1 : Math.max(1, limits.concurrency);',
    replace: 'const places = Math.max(1, limits.concurrency);',
  },
  {
    name: 'a pause lasts for ever',
    file: `${upload}/transition.ts`,
    find: 'return state.pausedAtMs === undefined ? state : { ...state, pausedAtMs: undefined };',
    replace: 'return state;',
  },
  {
    name: 'outcomes of an earlier step count for this one',
    file: `${upload}/transition.ts`,
    find: 'return event.run === state.run ? onOutcome(state, event, detours) : state;',
    replace: 'return onOutcome(state, event, detours);',
  },
  {
    name: 'a failure is final at the first attempt',
    file: 'packages/core/src/exchange/judge.ts',
    find: 'if (attempt + 1 >= policy.attempts)',
    replace: 'if (attempt >= 0)',
  },
  {
    name: 'an expired signature is given up at once',
    file: 'packages/core/src/exchange/judge.ts',
    find: "if (error.remedy === 'resign' && resigns < RESIGNS) return { do: 'resign' };",
    replace: "if (error.remedy === 'resign') return { do: 'give-up' };",
  },
];

/** Of what drives it: requests, timers, records. @type {Mutant[]} */
export const driver = [
  {
    name: 'requests are not watched, and one that hangs does so for ever',
    file: 'packages/core/src/exchange/exchange.ts',
    find: 'watchdog.watch(watched);',
    replace: '',
  },
  {
    name: 'a place in the limiter is not given back after a failure',
    file: `${upload}/tasks.ts`,
    find: '      leave(report);',
    replace: "      if (report.outcome !== 'failed') leave(report);",
  },
  {
    name: 'a slice is not released when its request fails',
    file: `${upload}/tasks.ts`,
    find: '      content.release?.(slice);\n      tally.ended(sent);',
    replace: '      if (sent.bytes > 0) content.release?.(slice);\n      tally.ended(sent);',
  },
  {
    name: 'a file that has changed is finished all the same',
    file: `${upload}/tasks.ts`,
    find: "if (task.type === 'finish') {\n      await verify(controller);",
    replace: "if (task.type === 'finish') {",
  },
  {
    name: 'a file of one request is not looked at again before it is sent',
    file: `${upload}/tasks.ts`,
    find: '      await verify(controller);\n      const { length: sizeBytes } = range;',
    replace: '      const { length: sizeBytes } = range;',
  },
  {
    name: 'the source is never closed',
    file: `${upload}/start-upload.ts`,
    find: 'await tasks.source?.close?.().catch(() => {});',
    replace: '',
  },
  {
    name: 'the destination stays locked',
    file: `${upload}/recorder.ts`,
    find: 'await unlock?.();',
    replace: '',
  },
  {
    name: 'timers outlive the upload',
    file: `${upload}/start-upload.ts`,
    find: '    life.abort(OVER);',
    replace: '',
  },
  {
    name: 'a record is believed whatever it is about',
    file: `${upload}/recorder.ts`,
    find: 'if (!job || record.identity !== identity || record.sizeBytes !== job.sizeBytes) return { foreignSession: session };',
    replace: '',
  },
  {
    name: 'progress turns back with a lost session',
    file: `${upload}/tally.ts`,
    find: 'tally.confirmedBytes = Math.max(tally.confirmedBytes, confirmed);',
    replace: 'tally.confirmedBytes = confirmed;',
  },
  {
    name: 'progress is whole before finish has succeeded',
    file: `${upload}/tally.ts`,
    find: 'Math.min(ALMOST_DONE, (confirmed + ahead) / sizeBytes || 0)',
    replace: '(confirmed + ahead) / sizeBytes || 0',
  },
  {
    name: 'an upload ends while its work still runs',
    file: `${upload}/start-upload.ts`,
    find: 'if (isOver(state) && reconciler.busy === 0) end(state);',
    replace: 'if (isOver(state)) end(state);',
  },
  {
    name: 'work that is no longer planned is not aborted',
    file: `${upload}/reconciler.ts`,
    find: 'if (!planned.has(key) && !work.controller.signal.aborted) stop(work);',
    replace: '',
  },
  {
    name: 'the clock of the server is not learnt',
    file: 'packages/core/src/exchange/server-time.ts',
    find: "if (remedy === 'resign') skewMs = seenMs;",
    replace: '',
  },
  {
    name: 'a signature that was refused is used again',
    file: 'packages/core/src/signing/cached-signer.ts',
    find: 'isRefused: (signature) => signature === refused,',
    replace: 'isRefused: () => false,',
  },
  {
    name: 'a damaged slice that the server has refused counts as stored',
    file: 'packages/core/src/protocol/json-api/decode.ts',
    find: 'if (code !== 0) return refusal(operation.op, code, body, response);',
    replace:
      "if (code !== 0 && !(code === -4016 && operation.op === 'slice')) return refusal(operation.op, code, body, response);",
  },
];
