import { CosSliceError, type SendContext, type Transport, type WireRequest, type WireResponse } from '@cos-slice/core';
import { type Delivery, type DeliveryEnd, deliver, type Parcel } from './delivery.ts';
import { encodeBody } from './form.ts';
import type { Hosts } from './hosts.ts';
import type { Reply } from './pair.ts';
import { type Fields, fieldsOf } from './requests.ts';
import type { FateName, Scenario } from './scenario.ts';
import type { Process, World } from './world/world.ts';

/** Told what one upload sends and hears. */
export interface Listener {
  /** Faults that it may blame. */
  readonly troubles: Map<string, number>;
  /** The last init that it has sent. */
  readonly opened: Fields | undefined;
  sent(fields: Fields): void;
  heard(fields: Fields, response: WireResponse): void;
}

const GARBAGE = ['', 'null', '[]', '{}', '<html>upstream</html>', '{"code":"x"}', '\u0000\u0001', '{"code":0,"mess'];
const LATE_MS = 90_000;

export interface Network {
  transport(client: Process, listener: Listener): Transport<Uint8Array>;
  /** Nothing goes wrong from now on. */
  heal(): void;
}

export function createNetwork(world: World, hosts: Hosts, { speech, latencyMs, fates }: Scenario): Network {
  const { random } = world;
  let isWell = false;
  const lag = (): number => random.next() * latencyMs;

  /** @param mayBeDamaged whether somebody looks whether its content is what was sent */
  function drawFate(mayBeDamaged: boolean): FateName | undefined {
    if (isWell) return undefined;
    let at = random.next();
    for (const [name, share] of Object.entries(fates)) {
      at -= share;
      if (at < 0) return name === 'damaged' && !mayBeDamaged ? undefined : (name as FateName);
    }
    return undefined;
  }

  function piecesOf(sizeBytes: number, stallsAt: number | undefined): Parcel['pieces'] {
    const count = sizeBytes === 0 ? 1 : random.chance(0.05) ? 12 : 1 + random.below(4);
    const ends = Array.from({ length: count - 1 }, () => random.below(sizeBytes)).sort((a, b) => a - b);
    let atMs = 0;
    return [...ends, sizeBytes].map((endBytes, index) => {
      atMs += random.next() * 5 + (index === stallsAt ? random.between(5_000, 80_000) : 0);
      return { endBytes, atMs };
    });
  }

  function send(client: Process, listener: Listener, request: WireRequest<Uint8Array>, context: SendContext) {
    const fields = fieldsOf(request);
    const form = encodeBody(request);
    const isChecked = fields.datamd5 !== undefined || fields.sha !== undefined;
    const fate = drawFate(isChecked && request.content !== undefined && request.content.sizeBytes > 0);
    const what = fields.offset === undefined ? `${fields.op}` : `${fields.op}@${fields.offset}`;
    world.tell(`${client.name} -> ${what}${fate ? ` [${fate}]` : ''}`);
    const blame = (name: string): void => void listener.troubles.set(name, (listener.troubles.get(name) ?? 0) + 1);
    if (fate) blame(fate);
    listener.sent(fields);
    const { signal } = context;

    return new Promise<WireResponse>((resolve, reject) => {
      let isSettled = false;
      const deliveries: Delivery[] = [];
      const settle = (act: () => void): void => {
        if (isSettled) return;
        isSettled = true;
        signal.removeEventListener('abort', onAbort);
        client.onDeath.delete(onDeath);
        act();
      };
      const leave = (): void => {
        // What a proxy has taken goes on its way.
        if (fate !== 'late' && fate !== 'twice') for (const delivery of deliveries) delivery.cut();
      };
      const onAbort = (): void =>
        settle(() => {
          leave();
          reject(signal.reason);
        });
      const onDeath = (): void => settle(leave);
      const answer = (delayMs: number, { status, headers, body }: Pick<Reply, 'status' | 'headers' | 'body'>): void => {
        world.after(delayMs, client, () =>
          settle(() => {
            const response = { status, body, header: (name: string) => headers[name.toLowerCase()] };
            world.tell(`${client.name} <- ${what}: ${status} ${gist(body)}`);
            listener.heard(fields, response);
            leave();
            resolve(response);
          }),
        );
      };
      const breakOff = (delayMs: number, details: { unreachable?: boolean } = {}): void => {
        world.after(delayMs, client, () =>
          settle(() => {
            world.tell(`${client.name} <- ${what}: the connection breaks`);
            leave();
            reject(new CosSliceError('network', 'the connection broke', { remedy: 'backoff', ...details }));
          }),
        );
      };
      signal.addEventListener('abort', onAbort);
      client.onDeath.add(onDeath);
      // What the client sees of its own sending.
      const connectMs = lag();
      if (fate === 'swallowed') return;
      if (fate === 'refused') return breakOff(connectMs, { unreachable: true });

      const pieces = piecesOf(form.bytes.length, fate === 'stalling' ? 0 : undefined);
      const lastMs = pieces.at(-1)?.atMs ?? 0;
      world.after(connectMs, client, () => isSettled || context.onConnected());
      for (const { endBytes, atMs } of pieces) {
        const contentBytes = Math.max(0, Math.min(request.content?.sizeBytes ?? 0, endBytes - form.contentAt));
        world.after(connectMs + atMs, client, () => {
          if (!isSettled && request.content) context.onSent(contentBytes);
        });
      }
      if (fate === 'proxy-error') return answer(connectMs + lastMs + lag(), proxyError());

      const end: DeliveryEnd = {
        refused: () => {
          blame('refused');
          breakOff(lag(), { unreachable: true });
        },
        broken: () => {
          blame('broken');
          // Of a machine that has lost its power nothing is heard.
          if (random.chance(0.85)) breakOff(lag());
        },
        replied(reply) {
          const { status, body, headers } = reply;
          if (fate === 'lost-reply') breakOff(lag());
          else if (fate === 'garbage') answer(lag(), { status, headers, body: random.pick(GARBAGE) });
          else if (fate === 'truncated') answer(lag(), { status, headers, body: body.slice(0, body.length >> 1) });
          else if (fate === 'proxy-error-after') answer(lag(), proxyError());
          else if (fate === 'slow-reply') answer(random.between(1000, 50_000), reply);
          else if (fate !== 'no-reply' && fate !== 'late') answer(lag(), reply);
        },
      };
      const parcel: Parcel = {
        method: request.method,
        url: speech === 'json' ? new URL(request.url).pathname : request.url,
        headers: {
          ...headersOf(request),
          'content-type': form.contentType,
          'content-length': String(form.bytes.length),
        },
        body: fate === 'damaged' ? damage(form.bytes, form.contentAt, request.content?.sizeBytes ?? 0) : form.bytes,
        pieces,
        breaksBefore: fate === 'cut-in-body' ? random.below(pieces.length) : undefined,
      };
      if (fate === 'late') {
        // The client hears that it is broken, or nothing; what it has sent comes all the same, much later.
        if (random.chance(0.6)) breakOff(connectMs + lastMs + lag());
        deliveries.push(deliver(world, hosts, parcel, random.between(500, LATE_MS), end));
        return;
      }
      deliveries.push(deliver(world, hosts, parcel, connectMs, end));
      if (fate === 'hasty-finish') finishTooSoon(request, fields, listener);
      if (fate !== 'twice') return;
      const soon = random.chance(0.6);
      const nobody: DeliveryEnd = { refused() {}, broken() {}, replied() {} };
      const second = soon ? end : nobody;
      deliveries.push(deliver(world, hosts, parcel, connectMs + (soon ? lag() : random.between(100, LATE_MS)), second));
    });
  }

  /** Some clients call finish although slices have failed (protocol section 1): here somebody else does it for the client. */
  function finishTooSoon(request: WireRequest<Uint8Array>, { op, session }: Fields, { opened }: Listener): void {
    if (speech !== 'json' || op !== 'upload_slice_data' || session === undefined || opened?.filesize === undefined)
      return;
    const { filesize, sha } = opened;
    const given = Object.entries({ op: 'upload_slice_finish', session, filesize, ...(sha !== undefined && { sha }) });
    const { bytes, contentType } = encodeBody({ ...request, fields: given, content: undefined });
    const parcel: Parcel = {
      method: 'POST',
      url: new URL(request.url).pathname,
      headers: { ...headersOf(request), 'content-type': contentType, 'content-length': String(bytes.length) },
      body: bytes,
      pieces: [{ endBytes: bytes.length, atMs: 0 }],
    };
    deliver(world, hosts, parcel, lag(), { refused() {}, broken() {}, replied() {} });
  }

  function damage(body: Buffer, at: number, sizeBytes: number): Buffer {
    const damaged = Buffer.from(body);
    const where = at + random.below(sizeBytes);
    damaged[where] = (damaged[where] as number) ^ (1 << random.below(8));
    return damaged;
  }

  function proxyError(): Pick<Reply, 'status' | 'headers' | 'body'> {
    const status = random.pick([500, 502, 503, 503, 504, 429]);
    const headers = random.chance(0.3) ? { 'retry-after': String(random.below(20)) } : {};
    return { status, headers, body: random.pick(['', '<html>bad gateway</html>', '{"message":"try again"}']) };
  }

  return {
    transport: (client, listener) => ({
      reportsProgress: true,
      async send(request, context) {
        context.signal.throwIfAborted();
        if (!world.touch(client)) return new Promise(() => {});
        return send(client, listener, request, context);
      },
    }),
    heal() {
      isWell = true;
    },
  };
}

function headersOf({ headers = {}, authorization }: WireRequest<Uint8Array>): Readonly<Record<string, string>> {
  const own = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  return { ...Object.fromEntries(own), host: 'cos.test', authorization: authorization?.value ?? '' };
}

/** What a reply says, without what is another each time. */
function gist(body: string): string {
  if (body === '' || /^\s*<\w+Result>/.test(body)) return '';
  const [, refusal] = /<Code>(\w+)</.exec(body) ?? [];
  if (refusal !== undefined) return refusal;
  const [, code, message] = /^\{"code":(-?\d+),"message":"([^"]*)"/.exec(body) ?? [];
  return code === undefined ? `${body.slice(0, 20)} ...` : code === '0' ? 'ok' : `${code} ${message}`;
}
