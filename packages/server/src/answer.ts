import type { IncomingMessage, ServerResponse } from 'node:http';
import { isBucket, isPublic } from './access.ts';
import { abortContent, type Content, maxContentBytes, openContent } from './content/content.ts';
import { createKept } from './content/held.ts';
import { createExchange, type Exchange } from './exchange.ts';
import { type Form, readForm } from './form/read-form.ts';
import { type Address, bucketHosts, readAddress } from './http/address.ts';
import { sendObject } from './http/download.ts';
import { sendPreflight, sendSuccess } from './http/reply.ts';
import type { Release } from './http/seats.ts';
import { findOperation, type Operation } from './operations/operations.ts';
import type { Settings } from './options.ts';
import { ProtocolError } from './protocol/codes.ts';
import { allows, type Grant, grantOf, ONCE_WINDOW_SEC } from './signature/signature.ts';
import { createVerifier } from './signature/verified.ts';
import type { ObjectInfo, Target } from './store/store.ts';

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
  const hosts = bucketHosts(settings);

  /** What the request may do at this moment: a good signature can run out while a body arrives. */
  function grantFor(req: IncomingMessage, { target, query }: Address): Grant {
    return grantOf(verify(req.headers.authorization ?? query.get('sign')), target, settings.nowMs() / 1000);
  }

  /** Uses a signature up. It may have been signed up to one window ahead, and is good for another. */
  function isFirstUse({ id }: Grant, nowSec: number): Promise<boolean> {
    return settings.onceRegister.use(id, nowSec, nowSec + 2 * ONCE_WINDOW_SEC);
  }

  async function download(req: IncomingMessage, res: ServerResponse, address: Address, nowMs: number): Promise<void> {
    const { target, isDirectory } = address;
    const checkAccess = (info: ObjectInfo | undefined): void => {
      if (!isPublic(settings, info ?? {})) allows(grantFor(req, address), signedTarget(address), 'read');
      else if (!isBucket(settings, target)) throw new ProtocolError('bucketUnknown');
    };
    if (isDirectory || !isBucket(settings, target)) {
      checkAccess(undefined);
      throw new ProtocolError('notFound');
    }
    await sendObject(req, res, settings.store, target, nowMs, checkAccess);
  }

  /** What a good signature, and the right kind of it, is still good for. */
  async function run(
    operation: Operation,
    address: Address,
    grant: Grant,
    exchange: Exchange,
    form: Form,
    content: Content | undefined,
  ): Promise<object | undefined> {
    const kind = operation.signature === 'either' ? grant.kind : operation.signature;
    allows(grant, signedTarget(address), kind === 'once' ? 'once' : 'write');
    checkKind(operation, address);
    if (kind === 'once' && !(await isFirstUse(grant, settings.nowMs() / 1000))) {
      const answer = await operation.again?.(exchange, form);
      if (!answer) throw new ProtocolError('signatureExpired', 'used before');
      return answer;
    }
    return operation.run(exchange, form, content);
  }

  async function query(req: IncomingMessage, res: ServerResponse, address: Address): Promise<void> {
    const grant = grantFor(req, address);
    const operation = findOperation(address.query.get('op'));
    if (!operation.reads) throw new ProtocolError('badParameter', 'this op needs a POST');
    const exchange = createExchange(settings, req, address, grant);
    const form = { fields: address.query, uploadParts: undefined };
    await sendSuccess(res, settings.nowMs(), await run(operation, address, grant, exchange, form, undefined));
  }

  return async (req, res, awaitsContinue, record) => {
    const nowMs = settings.nowMs();
    if (req.method === 'OPTIONS') return sendPreflight(req, res, nowMs);
    const address = readAddress(req, settings.prefix, hosts);
    record.path = address.target.path;
    record.op = address.query.get('op');
    if (req.method === 'GET' || req.method === 'HEAD') {
      return record.op === undefined ? download(req, res, address, nowMs) : query(req, res, address);
    }
    if (req.method !== 'POST' && req.method !== 'PUT') throw new ProtocolError('badParameter', 'method not supported');

    // All that can be refused before the body is read.
    const grant = grantFor(req, address);
    allows(grant, signedTarget(address), grant.kind === 'once' ? 'once' : 'write');
    const release = await seat(req, res);
    try {
      if (awaitsContinue) res.writeContinue();
      await change(req, res, address, grant, record);
    } finally {
      release();
    }
  };

  /** A place among those that are answered. */
  async function seat(req: IncomingMessage, res: ServerResponse): Promise<Release> {
    const gone = new AbortController();
    const onClose = (): void => gone.abort();
    res.once('close', onClose);
    try {
      return await settings.seats.take(clientOf(req, settings), gone.signal);
    } finally {
      res.off('close', onClose);
    }
  }

  async function change(
    req: IncomingMessage,
    res: ServerResponse,
    address: Address,
    grant: Grant,
    record: Progress,
  ): Promise<void> {
    const exchange = createExchange(settings, req, address, grant);
    const kept = createKept();
    let content: Content | undefined;
    try {
      const form = await readForm(req, address.query, {
        maxContentBytes: maxContentBytes(settings),
        kept,
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
      const data = await run(operation, address, grantFor(req, address), exchange, form, content);
      await sendSuccess(res, settings.nowMs(), data);
    } finally {
      kept.release();
      await abortContent(content);
    }
  }
}

/** Who is asking, for a fair share: an address, which is the best that is known of it. */
function clientOf(req: IncomingMessage, { trustProxy }: Settings): string {
  // The last one is what the proxy itself has seen.
  const forwarded = trustProxy
    ? String(req.headers['x-forwarded-for'] ?? '')
        .split(',')
        .at(-1)
        ?.trim()
    : '';
  return forwarded || (req.socket.remoteAddress ?? '');
}

function checkKind({ at }: Operation, { isDirectory }: Address): void {
  if (at === 'file' && isDirectory) throw new ProtocolError('invalidPath', 'this op needs the path of a file');
  if (at === 'directory' && !isDirectory) {
    throw new ProtocolError('invalidPath', "this op needs the path of a directory: it ends in '/'");
  }
}

/** Signatures for directories end in a slash like the path they are for. */
function signedTarget({ target, isDirectory }: Address): Target {
  return isDirectory && target.path !== '' ? { ...target, path: `${target.path}/` } : target;
}
