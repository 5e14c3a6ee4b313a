import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { createSigner } from '@cos-slice/node';

export interface Visits {
  visited(): void;
  failed(what: string): void;
}

/** Clients that keep a connection, and ask for little now and then. */
export interface Visitors {
  /** One of them, until it is over. */
  visit(isOver: () => boolean): Promise<void>;
  close(): void;
}

const BETWEEN_MS = 2000;

export function createVisitors(
  endpoint: string,
  account: { readonly appId: string; readonly secretId: string; readonly secretKey: string },
  bucket: string,
  { visited, failed }: Visits,
): Visitors {
  const agents: Agent[] = [];
  const signer = createSigner({ ...account, bucket, bound: false });
  const url = new URL(`${endpoint}/${account.appId}/${bucket}/?op=list&num=1`);

  async function once(agent: Agent): Promise<void> {
    const nowSec = Math.floor(Date.now() / 1000);
    const claim = { appId: account.appId, bucket, path: '', effect: 'multi', nowSec } as const;
    const headers = { Authorization: await signer.sign(claim, new AbortController().signal) };
    const reply = await new Promise<IncomingMessage>((resolve, reject) => {
      request(url, { agent, headers }, resolve).on('error', reject).end();
    });
    let text = '';
    for await (const chunk of reply) text += chunk;
    if (reply.statusCode === 200 || (reply.statusCode === 404 && text.includes('-197'))) return visited();
    if (reply.statusCode === 503 && reply.headers['retry-after']) return visited();
    failed(`a visit was answered ${reply.statusCode}: ${text.slice(0, 200)}`);
  }
  return {
    async visit(isOver) {
      // Another address than that of the uploads: one alone may not have all connections.
      const agent = new Agent({ keepAlive: true, maxSockets: 1, localAddress: '127.0.0.2' });
      agents.push(agent);
      await delay(Math.random() * BETWEEN_MS);
      while (!isOver()) {
        await once(agent).catch((error) => failed(`a visit: ${error.message}`));
        await delay(Math.random() * BETWEEN_MS);
      }
    },
    close() {
      for (const agent of agents) agent.destroy();
    },
  };
}
