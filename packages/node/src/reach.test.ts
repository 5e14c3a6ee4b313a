import { type ChildProcess, spawn } from 'node:child_process';
import dns from 'node:dns';
import { once } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import { connect, type Socket } from 'node:net';
import type { SendContext } from '@cos-slice/core';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createProxyTransport } from './proxy.ts';
import { remoteCredentials, remoteSigner, tokenServerSigner } from './remote-signer.ts';
import { createHttpTransport } from './transport.ts';

const REPLY = JSON.stringify({
  signature: 'c2lnbmF0dXJl',
  code: 0,
  data: 'c2lnbmF0dXJl',
  secretId: 'id',
  secretKey: 'key',
});

// Windows has no signal that stops a process.
describe.skipIf(process.platform === 'win32')(
  'a host with several addresses, which are slower than each gets at first',
  () => {
    let server: ChildProcess;
    let port: number;
    const sockets: Socket[] = [];
    /** The server's queue for connections is full until its name is looked up a second time. */
    beforeEach(async () => {
      server = spawn(process.execPath, [
        '-e',
        `require('http').createServer((request, response) => response.end(${JSON.stringify(REPLY)}))
        .listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () { console.log(this.address().port); });`,
      ]);
      port = Number(String((await once(server.stdout as NodeJS.ReadableStream, 'data'))[0]));
      server.kill('SIGSTOP');
      for (let filled = 0; filled < 8; filled += 1) sockets.push(connect(port, '127.0.0.1').on('error', () => {}));
      await new Promise((resolve) => setTimeout(resolve, 100));
      let lookups = 0;
      const lookup = (_name: string, _options: unknown, done: (error: null, found: unknown) => void): void => {
        lookups += 1;
        if (lookups === 2) server.kill('SIGCONT');
        // Nothing listens at the other one.
        done(null, [
          { address: '127.0.0.1', family: 4 },
          { address: '::1', family: 6 },
        ]);
      };
      vi.spyOn(dns, 'lookup').mockImplementation(lookup as typeof dns.lookup);
      syncBuiltinESMExports();
    });
    afterEach(() => {
      vi.restoreAllMocks();
      syncBuiltinESMExports();
      for (const socket of sockets.splice(0)) socket.destroy();
      server.kill('SIGKILL');
    });

    const signal = new AbortController().signal;
    const context: SendContext = { signal, connectMs: 60_000, onConnected() {}, onSent() {} };
    const claim = { appId: '1', bucket: 'b', path: 'p', effect: 'multi', nowSec: 1 } as const;
    const far = (): string => `http://far.test:${port}/a`;

    test.each<[what: string, run: () => Promise<unknown>, result: unknown]>([
      ['requests', async () => (await createHttpTransport().send({ method: 'GET', url: far() }, context)).status, 200],
      [
        'downloads',
        async () => (await createHttpTransport().receive?.({ method: 'GET', url: far() }, context))?.status,
        200,
      ],
      [
        'a proxy',
        async () => {
          const proxy = `http://far.test:${port}`;
          const settings = { httpProxy: proxy, httpsProxy: proxy, noProxy: '' };
          const transport = createProxyTransport(settings, createHttpTransport());
          return (await transport.send({ method: 'GET', url: 'http://a.test/' }, context)).status;
        },
        200,
      ],
      ['a signing service', () => Promise.resolve(remoteSigner(far()).sign(claim, signal)), 'c2lnbmF0dXJl'],
      [
        'a token server',
        () => Promise.resolve(tokenServerSigner({ url: far(), password: 'secret' }).sign(claim, signal)),
        'c2lnbmF0dXJl',
      ],
      ['a service for credentials', async () => (await remoteCredentials(far()).credentials(signal))?.secretId, 'id'],
    ])('is reached: %s', async (_what, run, result) => {
      expect(await run()).toBe(result);
    });
  },
);
