// What an upload takes that does not go straight on, in one chunk: what the server's refusals mean, and what to do about what is
// in the way or got lost.
export { decode, detours } from '@cos-slice/core/late';
