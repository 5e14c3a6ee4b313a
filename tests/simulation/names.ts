/** What clients and servers of a world call each other by. */
export const ACCOUNT = { appId: '10055004', secretId: 'ID', secretKey: 'KEY', buckets: ['bucket'] };
export const BUCKET = 'bucket';
/** The folder of servers that keep files. */
export const ROOT = '/data';
