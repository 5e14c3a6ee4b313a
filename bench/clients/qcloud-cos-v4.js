// @ts-check
import { globalAgent } from 'node:http';
import { connect } from 'node:net';
import { ACCOUNT, BUCKET } from '../lib/account.js';

/** @param {import('./main.js').ClientJob} job */
export async function prepare({ port, file, sliceSizeBytes }) {
  // @ts-expect-error it has no types
  const { default: qcloud } = await import('qcloud_cos_v4');
  qcloud.conf.setAppInfo(ACCOUNT.appId, ACCOUNT.secretId, ACCOUNT.secretKey, 'sh', 120);
  // Its host is fixed and it brings no agent: the only way to lead it elsewhere is the connection itself.
  Object.assign(globalAgent, { createConnection: () => connect({ port, host: '127.0.0.1', noDelay: true }) });
  return () =>
    new Promise((resolve, reject) => {
      const path = `/qcloud/${process.pid}.bin`;
      /** @param {{ code: number }} result */
      const done = (result) => (result.code === 0 ? resolve(undefined) : reject(result));
      qcloud.cos.upload_slice(file, BUCKET, path, undefined, sliceSizeBytes, undefined, undefined, done);
    });
}
