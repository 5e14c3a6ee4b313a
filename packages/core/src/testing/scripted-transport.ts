import { onAbort } from '../on-abort.ts';
import type { SendContext, Transport, WireRequest, WireResponse } from '../ports.ts';

/** A request as a script sees it. */
export interface ScriptedRequest<C> {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string | undefined;
  readonly signature: string;
  readonly fields: Readonly<Record<string, string>>;
  readonly content: C | undefined;
  readonly context: SendContext;
}

/** A reply in short: a body (status 200), or all of it. An Error is thrown; `hang` never answers. */
export type ScriptedReply =
  | { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly json: unknown }
  | { readonly status?: number; readonly headers?: Readonly<Record<string, string>>; readonly text: string }
  | Error
  | 'hang';

export interface ScriptedTransport<C> extends Transport<C> {
  /** What was sent, in order: `op`, or `op@offset` for slices; method and query of what is no form. */
  readonly transcript: readonly string[];
  readonly requests: readonly ScriptedRequest<C>[];
  readonly inFlight: number;
  readonly mostInFlight: number;
}

/** A transport whose other end is a function, so that a test of the protocol reads like a transcript. */
export function createScriptedTransport<C>(
  answer: (request: ScriptedRequest<C>, index: number) => ScriptedReply | Promise<ScriptedReply>,
): ScriptedTransport<C> {
  const transcript: string[] = [];
  const requests: ScriptedRequest<C>[] = [];
  let inFlight = 0;
  let mostInFlight = 0;

  const send = async (request: WireRequest<C>, context: SendContext): Promise<WireResponse> => {
    context.signal.throwIfAborted();
    const fields = Object.fromEntries(request.fields ?? []);
    const scripted = {
      method: request.method,
      url: request.url,
      headers: request.headers ?? {},
      text: request.text,
      signature: request.authorization?.value ?? '',
      fields,
      content: request.content?.body,
      context,
    };
    transcript.push(lineOf(request, fields));
    requests.push(scripted);
    const reply = await answer(scripted, requests.length - 1);
    if (reply === 'hang') return new Promise<never>(() => {});
    if (reply instanceof Error) throw reply;
    context.onConnected();
    context.onSent(request.content?.sizeBytes ?? 0);
    const headers = Object.fromEntries(
      Object.entries(reply.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
    );
    return {
      status: reply.status ?? 200,
      header: (name) => headers[name.toLowerCase()],
      body: 'json' in reply ? JSON.stringify(reply.json) : reply.text,
    };
  };

  return {
    reportsProgress: true,
    async send(request, context) {
      inFlight += 1;
      mostInFlight = Math.max(mostInFlight, inFlight);
      try {
        return await untilAborted(send(request, context), context.signal);
      } finally {
        inFlight -= 1;
      }
    },
    transcript,
    requests,
    get inFlight() {
      return inFlight;
    },
    get mostInFlight() {
      return mostInFlight;
    },
  };
}

function lineOf(
  { method, url, fields: form }: WireRequest<unknown>,
  { op, offset }: ScriptedRequest<unknown>['fields'],
): string {
  if (!form) return `${method} ${url.replace(/^[^?]*/, '')}`.trim();
  return offset === undefined ? `${op}` : `${op}@${offset}`;
}

function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = onAbort(signal, () => reject(signal.reason));
    promise.then(resolve, reject).finally(leave);
  });
}
