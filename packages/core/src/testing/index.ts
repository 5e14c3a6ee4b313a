export * from './contracts/index.ts';
export { createManualClock, type ManualClock } from './manual-clock.ts';
export {
  createScriptedTransport,
  type ScriptedReply,
  type ScriptedRequest,
  type ScriptedTransport,
} from './scripted-transport.ts';
