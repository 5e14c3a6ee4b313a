import type { IncomingMessage, ServerResponse } from 'node:http';
import { abortContent, type Content, maxContentBytes, openContent } from './content/content.ts';
import { createExchange } from './exchange.ts';
import { readForm } from './form/read-form.ts';
import { type Address, readAddress } from './http/address.ts';
import { sendObject } from './http/download.ts';
import { sendPreflight, sendSuccess } from './http/reply.ts';
import { findOperation } from './operations/operations.ts';
import type { Settings } from './options.ts';
import { ProtocolError } from './protocol/codes.ts';
import { allows, type Grant, grantOf, ONCE_WINDOW_SEC } from './signature/signature.ts';
import { createVerifier } from './signature/verified.ts';
import type { Target } from './store/store.ts';

/** What becomes known of a request while it is answered. */
export interface Progress {
  op: string | undefined;
  path: string | undefined;
  bytes: number;
  code: number;
  fault: unknown;
}

/** Answers a request with success, or throws what `asProtocolError` makes a failure of. */
export type Answer = (
  req: IncomingMessage,
  res: ServerResponse,
  awaitsContinue: boolean,
  record: Progress,
) => Promise<void>;

/** The way of a request: address, signature, body, operation. */
export function createAnswer(settings: Settings): Answer {
  const verify = createVerifier(settings.accountsBySecretId);

  /** What the request may do at this moment: a good signature can run out while a body arrives. */
  function grantFor(req: IncomingMessage, { target, query }: Address): Grant {
    return grantOf(verify(req.headers.authorization ?? query.get('sign')), target, settings.nowMs() / 1000);
  }

  /** It may have been signed up to one window ahead, and is good for another. @throws ProtocolError -59 */
  async function useUp({ id }: Grant, nowSec: number): Promise<void> {
    const isFirst = await settings.onceRegister.use(id, nowSec, nowSec + 2 * ONCE_WINDOW_SEC);
    if (!isFirst) throw new ProtocolError('signatureExpired', 'used before');
  }

  async function download(req: IncomingMessage, res: ServerResponse, address: Address, nowMs: number): Promise<void> {
    if (!settings.publicRead) allows(grantFor(req, address), signedTarget(address), 'read');
    else if (!isBucket(settings, address.target)) throw new ProtocolError('bucketUnknown');
    if (address.query.has('op')) throw new ProtocolError('badParameter', 'this server does not have this op');
    if (address.isDirectory) throw new ProtocolError('notFound');
    await sendObject(req, res, settings.store, address.target, nowMs);
  }

  return async (req, res, awaitsContinue, record) => {
    const nowMs = settings.nowMs();
    if (req.method === 'OPTIONS') return sendPreflight(req, res, nowMs);
    const address = readAddress(req, settings.prefix);
    const { target, query } = address;
    record.path = target.path;
    record.op = query.get('op');
    if (req.method === 'GET' || req.method === 'HEAD') return download(req, res, address, nowMs);
    if (req.method !== 'POST' && req.method !== 'PUT') throw new ProtocolError('badParameter', 'method not supported');

    // All that can be refused before the body is read.
    const grant = grantFor(req, address);
    allows(grant, signedTarget(address), grant.kind === 'once' ? 'once' : 'write');
    if (awaitsContinue) res.writeContinue();

    const exchange = createExchange(settings, req, target, grant);
    let content: Content | undefined;
    try {
      const form = await readForm(req, query, {
        maxContentBytes: maxContentBytes(settings),
        onBytes: (bytes) => {
          record.bytes += bytes;
        },
        openContent: async (fields) => {
          // No operation for which a one-time signature is good takes content.
          allows(grant, signedTarget(address), 'write');
          const opened = await openContent(exchange, fields);
          content = opened.content;
          return opened.sink;
        },
      });
      record.op = form.fields.get('op');
      const operation = findOperation(record.op);
      const grantNow = grantFor(req, address);
      allows(grantNow, signedTarget(address), operation.signature === 'once' ? 'once' : 'write');
      if (address.isDirectory) throw new ProtocolError('invalidPath', 'this op needs the path of a file');
      if (operation.signature === 'once') await useUp(grantNow, settings.nowMs() / 1000);
      await sendSuccess(res, settings.nowMs(), await operation.run(exchange, form, content));
    } finally {
      await abortContent(content);
    }
  };
}

/** Signatures for directories end in a slash like the path they are for. */
function signedTarget({ target, isDirectory }: Address): Target {
  return isDirectory && target.path !== '' ? { ...target, path: `${target.path}/` } : target;
}

function isBucket(settings: Settings, { appId, bucket }: Target): boolean {
  for (const account of settings.accountsBySecretId.values()) {
    if (account.appId === appId && account.buckets.includes(bucket)) return true;
  }
  return false;
}
