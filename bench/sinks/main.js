// @ts-check
// All sinks in one process of their own.
import { cosJsonSink, tusSink, xmlSink } from './handlers.js';
import { listenSink } from './http-sink.js';

const [json, xml, tus] = await Promise.all([cosJsonSink(), xmlSink(), tusSink()].map(listenSink));
process.send?.({ type: 'ready', ports: { json, xml, tus } });
process.on('disconnect', () => process.exit());
