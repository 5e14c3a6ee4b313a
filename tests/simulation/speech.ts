import { createHmac } from 'node:crypto';
import {
  type Authorizer,
  cosProfile,
  cosXml,
  jsonApi,
  type Profile,
  profiles,
  type SignClaim,
  type Signer,
  s3,
  signatureText,
  type UploadOptions,
  type Wire,
} from '@cos-slice/core';
import { ACCOUNT, BUCKET } from './names.ts';
import type { Scenario } from './scenario.ts';

/** Servers of the XML APIs that differ in what they honour. */
export const PROFILES: Readonly<Record<Exclude<Scenario['speech'], 'json'>, Profile>> = {
  aws: smallParts(profiles.aws),
  ceph: smallParts(profiles.ceph),
  s3: smallParts(profiles.s3),
  cos: smallParts(cosProfile),
};

const ENDPOINT = 'http://cos.test/files/v2';

/** Parts so small that an upload of many costs little, under addresses with the bucket in their path. */
function smallParts(profile: Profile): Profile {
  return { ...profile, minPartBytes: 64, pathStyle: true };
}

/** The JSON API with slices so small that an upload of many costs little. */
const JSON_WIRE: Wire = {
  ...jsonApi,
  traits: { ...jsonApi.traits, sliceSize: { ...jsonApi.traits.sliceSize, min: 64, default: 256 } },
};

/** Whether the server itself keeps an object from being replaced by an upload that may not. */
export function keeps(speech: Scenario['speech']): boolean {
  if (speech === 'json') return true;
  const { honouredOn } = PROFILES[speech].keep;
  return honouredOn.includes('single') && honouredOn.includes('finish');
}

export interface Signing {
  readonly lifetimeSec: number;
  /** Takes its time, and fails now and then. */
  ask(): Promise<void>;
  random(): number;
}

/** What an upload speaks with which server, and how it is let in. */
export function speak(
  speech: Scenario['speech'],
  signing: Signing,
): Pick<UploadOptions, 'endpoint' | 'appId' | 'bucket' | 'wire' | 'signer'> {
  if (speech === 'json') {
    const { appId } = ACCOUNT;
    return { endpoint: ENDPOINT, appId, bucket: BUCKET, wire: JSON_WIRE, signer: jsonSigner(signing) };
  }
  const profile = PROFILES[speech];
  const wire =
    speech === 'cos'
      ? cosXml({ region: 'sh', bucket: BUCKET, appId: ACCOUNT.appId, endpoint: `http://${BUCKET}.test`, profile })
      : s3({ endpoint: 'http://cos.test', bucket: BUCKET, profile });
  return { wire, signer: requestSigner(signing) };
}

function jsonSigner({ lifetimeSec, ask, random }: Signing): Signer {
  return {
    async sign({ appId, bucket, path, effect, nowSec }: SignClaim) {
      await ask();
      const fileId = `/${appId}/${bucket}/${path.split('/').map(encodeURIComponent).join('/')}`;
      const expiresAtSec = effect === 'once' ? 0 : nowSec + lifetimeSec;
      const { secretId } = ACCOUNT;
      return jsonSignature({ appId, bucket, secretId, expiresAtSec, nowSec, random: random(), fileId });
    },
  };
}

export function jsonSignature(fields: Parameters<typeof signatureText>[0]): string {
  const text = signatureText(fields);
  const mac = createHmac('sha1', ACCOUNT.secretKey).update(text).digest();
  return Buffer.concat([mac, Buffer.from(text)]).toString('base64');
}

/** The path of an object in the address of a request to an object storage. */
export function objectPathOf(url: string): string {
  const { hostname, pathname } = new URL(url, 'http://cos.test');
  const segments = pathname.split('/').slice(hostname.startsWith(BUCKET) ? 1 : 2);
  return decodeURIComponent(segments.join('/'));
}

interface Signed {
  readonly method: string;
  readonly path: string;
  readonly atMs: number;
  readonly endsAtMs: number;
}

function requestSigner({ lifetimeSec, ask }: Signing): Authorizer {
  return {
    async authorize(request, { nowSec }) {
      await ask();
      return { ...request, authorization: { value: authorizationOf(request, nowSec, lifetimeSec) } };
    },
  };
}

/** In place of real signatures, whose arithmetic takes real time: it says what it is for. */
export function authorizationOf(
  { method, url }: { readonly method: string; readonly url: string },
  nowSec: number,
  lifetimeSec: number,
): string {
  const atMs = nowSec * 1000;
  const signed: Signed = { method, path: objectPathOf(url), atMs, endsAtMs: atMs + lifetimeSec * 1000 };
  return encodeURIComponent(JSON.stringify(signed));
}

export function readAuthorization(text: string | undefined): Signed | undefined {
  return text ? (JSON.parse(decodeURIComponent(text)) as Signed) : undefined;
}
