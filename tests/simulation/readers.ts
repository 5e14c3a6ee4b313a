import { createHmac } from 'node:crypto';
import { signatureText } from '@cos-slice/core';
import { deliver } from './delivery.ts';
import { ACCOUNT, BUCKET, type Hosts } from './hosts.ts';
import type { ObjectRules } from './rules/objects.ts';
import type { World } from './world/world.ts';

/** Somebody who downloads what is at a path, and looks whether it is whole. */
export function download(world: World, hosts: Hosts, path: string, objects: ObjectRules): void {
  const askedAtMs = world.nowMs;
  const nowSec = Math.floor(world.wallMs() / 1000);
  const { appId, secretId, secretKey } = ACCOUNT;
  const text = signatureText({
    appId,
    bucket: BUCKET,
    secretId,
    // Whatever the servers' clocks show.
    expiresAtSec: nowSec + 30 * 24 * 3600,
    nowSec,
    random: 1,
    fileId: '',
  });
  const mac = createHmac('sha1', secretKey).update(text).digest();
  const parcel = {
    method: 'GET',
    url: `/files/v2/${appId}/${BUCKET}/${path.split('/').map(encodeURIComponent).join('/')}`,
    headers: { host: 'cos.test', authorization: Buffer.concat([mac, Buffer.from(text)]).toString('base64') },
    body: Buffer.alloc(0),
    pieces: [{ endBytes: 0, atMs: 0 }],
  };
  deliver(world, hosts, parcel, 1, {
    refused() {},
    broken() {},
    replied({ status, bytes }) {
      world.tell(`somebody downloads ${path}: ${status}`);
      if (status === 200) objects.downloaded(path, bytes, askedAtMs);
      if (status === 404) objects.downloaded(path, undefined, askedAtMs);
      if (status === 403) world.complain(`a download from ${path} was refused`);
    },
  });
}
