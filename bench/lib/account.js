// @ts-check
export const ACCOUNT = { appId: '10055004', secretId: 'bench-id', secretKey: 'bench-key', buckets: ['bench'] };
export const BUCKET = 'bench';
export const PREFIX = '/files/v2';
