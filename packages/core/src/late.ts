// What an upload takes that does not go straight on, for platforms that load it late. `lean.ts` has what they load at once.
export { decode } from './protocol/json-api/decode.ts';
export { detours } from './upload/detours.ts';
