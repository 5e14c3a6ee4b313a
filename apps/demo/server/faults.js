import { setTimeout as sleep } from 'node:timers/promises';
import { createSigner } from '@cos-slice/core';

/** Every how many requests a fault strikes; different, so that all of them together still let something through. */
const EVERY = { drop: 3, busy: 4, stall: 12 };
const RETRY_AFTER_SEC = 1;
const SLOW_BYTES_PER_SEC = 3 * 1024 * 1024;
/** With `expire`, the age at which a signature is too old. */
const SHORT_LIFE_MS = 2000;
/** Smaller requests do not carry a slice. */
const SLICE_MIN_BYTES = 32 * 1024;
const MAX_REMEMBERED = 10_000;

/** @typedef {'drop' | 'busy' | 'stall' | 'slow' | 'expire' | 'lose'} Fault */

/** @type {readonly Fault[]} */
export const FAULTS = ['drop', 'busy', 'stall', 'slow', 'expire', 'lose'];

/**
 * @typedef {object} Faults
 * @property {(change: Partial<Record<Fault, boolean>>) => void} set
 * @property {() => { faults: Record<Fault, boolean>, struck: Record<Fault, number> }} state which are on, and how often each struck
 * @property {(signature: string) => void} signed a signature was given out
 * @property {(req: import('node:http').IncomingMessage, res: import('node:http').ServerResponse, handle: () => Promise<void>) => Promise<void>} pass
 */

/**
 * What can go wrong, in front of the slice server: it sees only what the network and the clock would have done to it.
 *
 * @param {{
 *   store: import('@cos-slice/server').Store,
 *   prefix: string,
 *   account: { appId: string, secretId: string, secretKey: string },
 *   bucket: string,
 *   onChange: () => void,
 * }} options
 * @returns {Faults}
 */
export function createFaults({ store, prefix, account, bucket, onChange }) {
  const on = forEach(false);
  const struck = forEach(0);
  const seen = forEach(0);
  /** @type {Set<import('node:net').Socket>} */
  const stalled = new Set();
  /** When signatures were given out. @type {Map<string, number>} */
  const issuedAtMs = new Map();
  /** Bytes each path had stored when its session was last lost: the next loss has to come later. @type {Map<string, number>} */
  const lostAt = new Map();
  let slowUntilMs = 0;
  const signer = createSigner({ ...account, bucket, lifetimeSec: 60 });

  /** @param {Fault} fault */
  const strike = (fault) => {
    struck[fault] += 1;
    onChange();
  };
  /** @param {'drop' | 'busy' | 'stall'} fault */
  const isDue = (fault) => {
    if (!on[fault]) return false;
    seen[fault] += 1;
    if (seen[fault] % EVERY[fault] !== 0) return false;
    strike(fault);
    return true;
  };

  /**
   * Exchanges a signature that has lived too long for one just like it, only an hour older.
   *
   * @param {import('node:http').IncomingMessage} req
   */
  async function expireSignature(req) {
    const url = new URL(req.url ?? '/', 'http://demo');
    const signature = url.searchParams.get('sign') ?? '';
    const issued = issuedAtMs.get(signature);
    if (issued === undefined || Date.now() - issued < SHORT_LIFE_MS) return;
    const path = pathOf(req.url ?? '', prefix);
    const nowSec = Math.floor(Date.now() / 1000) - 3600;
    const claim = { appId: account.appId, bucket, path, effect: /** @type {const} */ ('multi'), nowSec };
    url.searchParams.set('sign', await signer.sign(claim, new AbortController().signal));
    req.url = `${url.pathname}${url.search}`;
    strike('expire');
  }

  /** @param {string} path */
  async function loseSession(path) {
    const session = await store.findSession({ appId: account.appId, bucket, path });
    const snapshot = await session?.snapshot().catch(() => undefined);
    if (!session || !snapshot) return;
    const storedBytes = snapshot.storedCount * session.sliceSizeBytes;
    if (storedBytes <= (lostAt.get(path) ?? 0)) return;
    if (!on.lose) return;
    on.lose = false;
    lostAt.set(path, storedBytes);
    await session.discard();
    strike('lose');
  }

  return {
    set(change) {
      for (const fault of FAULTS) {
        const wanted = change?.[fault];
        if (typeof wanted === 'boolean') on[fault] = wanted;
      }
      if (!on.stall) for (const socket of stalled) socket.destroy();
      onChange();
    },
    state: () => ({ faults: { ...on }, struck: { ...struck } }),
    signed(signature) {
      issuedAtMs.set(signature, Date.now());
      for (const oldest of issuedAtMs.keys()) if (issuedAtMs.size > MAX_REMEMBERED) issuedAtMs.delete(oldest);
    },
    async pass(req, res, handle) {
      if (req.method !== 'POST') return handle();
      const { socket } = req;
      const sizeBytes = Number(req.headers['content-length'] ?? 0);
      const isSlice = sizeBytes >= SLICE_MIN_BYTES;

      // Browsers repeat by themselves what was lost on a connection that had been used before.
      if (on.drop) res.shouldKeepAlive = false;
      // One at a time, and then something else: or the last slices would hang again and again.
      if (stalled.size === 0 && isDue('stall')) {
        stalled.add(socket);
        socket.once('close', () => {
          stalled.delete(socket);
          seen.stall = 0;
        });
        return;
      }
      if (isDue('busy')) return refuse(req, res);
      if (isDue('drop')) {
        // In turn: on the way there, and on the way back, when all has been done and only the answer is lost.
        if (isSlice && struck.drop % 2 === 1) return cutAt(req, sizeBytes / 2);
        cutAnswer(res);
      }
      // Judged on arrival: a signature must not grow old in the queue below, or none would ever be young enough.
      if (on.expire) await expireSignature(req);
      if (on.slow && isSlice) {
        const nowMs = Date.now();
        slowUntilMs = Math.max(nowMs, slowUntilMs) + (sizeBytes / SLOW_BYTES_PER_SEC) * 1000;
        strike('slow');
        await sleep(slowUntilMs - nowMs);
      }
      if (on.lose && isSlice) await loseSession(pathOf(req.url ?? '', prefix));
      return handle();
    },
  };
}

/**
 * 503 with `Retry-After`, readable by pages.
 *
 * @param {import('node:http').IncomingMessage} req
 * @param {import('node:http').ServerResponse} res
 */
async function refuse(req, res) {
  // Browsers take an answer in mid-body for a broken connection.
  req.resume();
  await new Promise((done) => req.once('close', done).once('end', done));
  res.writeHead(503, {
    'Content-Type': 'text/plain',
    'Retry-After': RETRY_AFTER_SEC,
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Expose-Headers': 'Retry-After',
  });
  res.end('busy');
}

/** @param {import('node:http').IncomingMessage} req @param {number} bytes */
function cutAt(req, bytes) {
  let left = bytes;
  req.on('error', () => {});
  req.on('data', (chunk) => {
    left -= chunk.length;
    if (left <= 0) req.socket.destroy();
  });
}

/** The answer never arrives. @param {import('node:http').ServerResponse} res */
function cutAnswer(res) {
  res.end = () => {
    res.socket?.destroy();
    return res;
  };
}

/** The object path in a request's address. @param {string} url @param {string} prefix */
function pathOf(url, prefix) {
  const [, , ...segments] = (url.split('?')[0] ?? '').slice(prefix.length + 1).split('/');
  try {
    return segments.map(decodeURIComponent).join('/');
  } catch {
    return '';
  }
}

/**
 * @template T
 * @param {T} value
 * @returns {Record<Fault, T>}
 */
function forEach(value) {
  return { drop: value, busy: value, stall: value, slow: value, expire: value, lose: value };
}
