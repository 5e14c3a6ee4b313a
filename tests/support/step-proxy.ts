import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

/** A moment of an uploader's life: one of its requests, before it has arrived, or when it was carried out and not yet answered. */
export interface Moment {
  /** Counted from 0 over all requests that have come. */
  readonly request: number;
  readonly carriedOut: boolean;
}

export interface StepProxy {
  readonly port: number;
  /** What was asked for, in order, and whether it was carried out: `init`, `part`, `list`, `finish`, ... */
  readonly steps: readonly { readonly name: string; readonly carriedOut: boolean }[];
  /** Resolves when the moment has come. What is asked then is never answered. */
  until(moment: Moment): Promise<void>;
  close(): Promise<void>;
}

/** Passes requests on to a port of this machine, as they are, and tells them by what they do on whichever wire. */
export async function startStepProxy(targetPort: number): Promise<StepProxy> {
  const steps: { name: string; carriedOut: boolean }[] = [];
  let awaited: (Moment & { readonly reached: () => void }) | undefined;

  const server = createServer(async (req, res) => {
    const index = steps.length;
    const step = { name: '', carriedOut: false };
    steps.push(step);
    const isNow = (carriedOut: boolean): boolean =>
      awaited?.request === index && awaited.carriedOut === carriedOut && awaited.reached() === undefined;
    try {
      const body = await buffer(req);
      step.name = nameOf(req.method ?? '', req.url ?? '', body);
      if (isNow(false)) return;
      const { method, url: path, rawHeaders: headers } = req;
      const passed = request({ host: '127.0.0.1', port: targetPort, method, path, headers });
      passed.end(body);
      const [reply] = await once(passed, 'response');
      const content = await buffer(reply);
      step.carriedOut = reply.statusCode < 300;
      if (isNow(true)) return;
      res.writeHead(reply.statusCode, reply.rawHeaders).end(content);
    } catch {
      // Whoever was killed says no more, and is told no more.
      res.destroy();
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    steps,
    until: (moment) =>
      new Promise((resolve) => {
        awaited = { ...moment, reached: resolve };
      }),
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const JSON_OP = /name="op"\r\n(?:[^\r\n]+\r\n)*\r\n(\w+)|"op":\s*"(\w+)"/;
const JSON_STEPS: Readonly<Record<string, string>> = {
  upload: 'put',
  upload_slice_init: 'init',
  upload_slice_data: 'part',
  upload_slice_list: 'list',
  upload_slice_finish: 'finish',
  delete: 'abort',
};

function nameOf(method: string, url: string, body: Buffer): string {
  const [, form, json] = JSON_OP.exec(body.subarray(0, 4096).toString('latin1')) ?? [];
  const op = form ?? json;
  if (op !== undefined) return JSON_STEPS[op] ?? op;
  const { searchParams } = new URL(url, 'http://h');
  if (searchParams.has('uploads')) return 'init';
  if (searchParams.has('partNumber')) return 'part';
  const ofUpload: Readonly<Record<string, string>> = { GET: 'list', POST: 'finish', DELETE: 'abort' };
  const ofObject: Readonly<Record<string, string>> = { HEAD: 'look', PUT: 'put' };
  return (searchParams.has('uploadId') ? ofUpload : ofObject)[method] ?? method;
}
