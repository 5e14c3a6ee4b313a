import { CosSliceError } from '../errors.ts';
import { type ClientOptions, createObjectClient, type ObjectClient } from '../objects/client.ts';
import type { ByteRange, SignClaim } from '../ports.ts';
import { createManualClock, type ManualClock } from './manual-clock.ts';
import {
  createScriptedTransport,
  type ScriptedReply,
  type ScriptedRequest,
  type ScriptedTransport,
} from './scripted-transport.ts';
import { ok } from './setting.ts';
export interface Setting {
  readonly client: ObjectClient;
  readonly clock: ManualClock;
  readonly transport: ScriptedTransport<ByteRange>;
  readonly claims: SignClaim[];
}

export type Answer = (request: ScriptedRequest<ByteRange> & { readonly path: string }, index: number) => ScriptedReply;

export function setUp(answer: Answer, more: Partial<ClientOptions> = {}): Setting {
  const clock = createManualClock();
  const claims: SignClaim[] = [];
  const transport = createScriptedTransport<ByteRange>((request, index) => {
    const path = request.url.replace(/^.*\/10055004\/demobucket\/|[?#].*$/g, '');
    return answer({ ...request, path }, index);
  });
  const client = createObjectClient<ByteRange>(
    {
      endpoint: 'http://cos.test/files/v2',
      appId: '10055004',
      bucket: 'demobucket',
      signer(claim) {
        claims.push(claim);
        return 'U0lHTkFUVVJF';
      },
      ...more,
    },
    { transport, clock, random: () => 0.5 },
  );
  return { client, clock, transport, claims };
}

export const FILE = {
  name: 'b c.txt',
  biz_attr: 'ba',
  filesize: '12',
  filelen: 12,
  sha: 'AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA',
  ctime: '1472647600',
  mtime: 1472647601,
  access_url: 'http://demobucket-10055004.file.myqcloud.com/a/b c#1.txt',
  source_url: 'http://s/',
  authority: 'eWRPrivate',
  custom_headers: '{"Cache-Control":"no"}',
} as const;
export const done: ScriptedReply = ok({ resource_path: '/10055004/demobucket/x' });
export const lost = (): Error => new CosSliceError('network', 'broken', { remedy: 'backoff' });
