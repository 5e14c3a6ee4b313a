import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import {
  type Credentials,
  createSigningEndpoint,
  type RequestToSign,
  type SigningAllowance,
  type SigningEndpoint,
  type XmlWire,
} from '@cos-slice/node';

/** What happens to a question: it fails, is never answered, is answered with nonsense or with what has expired long ago. */
export type SigningFault = 'fails' | 'hangs' | 'nonsense' | 'expired' | undefined;

/** The application's server: it holds the keys, and tells what was asked. */
export interface SigningServer {
  readonly url: string;
  readonly questions: readonly (readonly RequestToSign[])[];
  allowed: SigningAllowance;
  /** @param count of questions, this one with them */
  fault: (count: number) => SigningFault;
  close(): Promise<void>;
}

const PAST_SEC = 7200;

export async function startSigningServer(wire: XmlWire, credentials: Credentials): Promise<SigningServer> {
  const questions: RequestToSign[][] = [];
  const sign: SigningEndpoint = createSigningEndpoint({ wire, credentials });
  const state = { allowed: { path: '' } as SigningAllowance, fault: (_count: number): SigningFault => undefined };

  /** As if they had been signed long ago. */
  const expired = async (requests: readonly RequestToSign[]) => {
    const clock = { nowMs: () => 0, monotonicMs: () => 0, sleep: async () => {} };
    const authorizer = wire.authorizer?.(credentials, { clock, timeoutMs: 1000, lifetimeSec: 60 });
    const claim = { appId: '', bucket: '', path: '', effect: 'multi', nowSec: Date.now() / 1000 - PAST_SEC } as const;
    return Promise.all(
      requests.map(async ({ method, key, query, headers }) => {
        const pairs = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
        const url = `${wire.locate({ endpoint: '', appId: '', bucket: '', path: key })}?${pairs.join('&')}`.replace(
          /\?$/,
          '',
        );
        const signed = await authorizer?.presign?.({ method, url, headers }, claim, new AbortController().signal);
        return { url: signed, expiresInSec: 600 };
      }),
    );
  };

  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    res.setHeader('Access-Control-Allow-Origin', '*');
    res.setHeader('Access-Control-Allow-Headers', '*');
    if (req.method === 'OPTIONS') return void res.end();
    const asked = (await json(req)) as { requests: RequestToSign[] };
    questions.push(asked.requests);
    const fault = state.fault(questions.length);
    if (fault === 'hangs') return;
    if (fault === 'fails') return void res.writeHead(503).end();
    if (fault === 'nonsense') return void res.end('<html>');
    const { status, body } =
      fault === 'expired'
        ? { status: 200, body: { signed: await expired(asked.requests) } }
        : await sign(asked, state.allowed);
    res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
  };

  const server = createServer((req, res) => void answer(req, res).catch(() => res.destroy()));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(state, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/sign`,
    questions,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}
