// A façade that runs by itself until it is killed: ENDPOINT BUCKET PORT AHEAD_MS.
import { startCosFacade } from './cos-facade.ts';

const [endpoint = '', bucket = '', port, aheadMs] = process.argv.slice(2);
await startCosFacade(endpoint, bucket, { port: Number(port), aheadMs: Number(aheadMs) });
console.log('ready');
