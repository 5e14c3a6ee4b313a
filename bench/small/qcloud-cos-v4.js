// @ts-check
import { globalAgent } from 'node:http';
import { connect } from 'node:net';
import { ACCOUNT, BUCKET } from '../lib/account.js';

/** @param {import('./main.js').SmallJob} job */
export async function prepare({ port, to }) {
  // @ts-expect-error it has no types
  const { default: qcloud } = await import('qcloud_cos_v4');
  qcloud.conf.setAppInfo(ACCOUNT.appId, ACCOUNT.secretId, ACCOUNT.secretKey, 'sh', 120);
  // Its host is fixed and it brings no agent: the only way to lead it elsewhere is the connection itself.
  Object.assign(globalAgent, { createConnection: () => connect({ port, host: '127.0.0.1', noDelay: true }) });
  return {
    /** @param {string} file @param {string} name */
    one: (file, name) =>
      new Promise((resolve, reject) => {
        /** @param {{ code: number }} result */
        const done = (result) => (result.code === 0 ? resolve(undefined) : reject(result));
        qcloud.cos.upload(file, BUCKET, `/${to}/${name}`, undefined, 1, done);
      }),
  };
}
