// @ts-check
// Uploads a directory in a process of its own, so that it can be killed: `node put-directory.js <JSON>`. Tells what became of each
// entry as it happens, and in the end what it took.
import { readdirSync } from 'node:fs';
import { createClient, createSigner } from '@cos-slice/node';

const { directory, to, endpoint, account, bucket } = JSON.parse(process.argv[2] ?? '{}');
const most = { rssBytes: 0, openFiles: 0, active: 0 };
const look = () => {
  most.rssBytes = Math.max(most.rssBytes, process.memoryUsage().rss);
  most.openFiles = Math.max(most.openFiles, readdirSync('/proc/self/fd').length);
};
const looking = setInterval(look, 50);
const { appId } = account;
const client = createClient({
  endpoint,
  appId,
  bucket,
  signer: createSigner({ ...account, bucket, bound: false }),
  proxy: false,
});
/** @param {object} line */
const tell = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const transfer = client.uploadDirectory(directory, {
  to,
  onEntry: (event) => tell(event),
  onProgress({ active }) {
    most.active = Math.max(most.active, active.length);
  },
});
const { transferred, skipped, movedBytes, failed } = await transfer.done;
clearInterval(looking);
tell({ type: 'result', transferred, skipped, movedBytes, failed, ...most });
