// @ts-check
// All sinks in one process of their own.
import { cosJsonSink, tusSink, xmlSink } from './handlers.js';
import { listenSink } from './http-sink.js';
import { s3Sink } from './s3-sink.js';

const [json, xml, tus, s3] = await Promise.all([cosJsonSink(), xmlSink(), tusSink(), s3Sink()].map(listenSink));
process.send?.({ type: 'ready', ports: { json, xml, tus, s3 } });
process.on('disconnect', () => process.exit());
