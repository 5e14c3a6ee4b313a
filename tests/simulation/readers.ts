import { deliver, type Parcel } from './delivery.ts';
import type { Hosts } from './hosts.ts';
import { ACCOUNT, BUCKET } from './names.ts';
import type { ObjectRules } from './rules/objects.ts';
import type { Scenario } from './scenario.ts';
import { authorizationOf, jsonSignature } from './speech.ts';
import type { World } from './world/world.ts';

/** Somebody who downloads what is at a path, and looks whether it is whole. */
export function download(
  world: World,
  hosts: Hosts,
  path: string,
  { objects, speech }: { readonly objects: ObjectRules; readonly speech: Scenario['speech'] },
): void {
  const askedAtMs = world.nowMs;
  const nowSec = Math.floor(world.wallMs() / 1000);
  const parcel = {
    ...(speech === 'json' ? addressed(path, nowSec) : addressedToGateway(path, nowSec)),
    method: 'GET',
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

/** Whatever the servers' clocks show. */
const LONG_SEC = 30 * 24 * 3600;

const encoded = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

function addressed(path: string, nowSec: number): Pick<Parcel, 'url' | 'headers'> {
  const { appId, secretId } = ACCOUNT;
  const claim = { appId, bucket: BUCKET, secretId, expiresAtSec: nowSec + LONG_SEC, nowSec, random: 1, fileId: '' };
  const headers = { host: 'cos.test', authorization: jsonSignature(claim) };
  return { url: `/files/v2/${appId}/${BUCKET}/${encoded(path)}`, headers };
}

function addressedToGateway(path: string, nowSec: number): Pick<Parcel, 'url' | 'headers'> {
  const url = `http://cos.test/${BUCKET}/${encoded(path)}`;
  return { url, headers: { authorization: authorizationOf({ method: 'GET', url }, nowSec, LONG_SEC) } };
}
