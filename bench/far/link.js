// @ts-check
// A link of limited bandwidth and some length, made of TCP proxies on 127.0.0.1. All connections share its bandwidth, each has
// a window of its own. There is no slow start: windows are open from the beginning.
import { connect, createServer } from 'node:net';

/**
 * @typedef {object} LinkProfile
 * @property {number} bytesPerS in each direction
 * @property {number} roundTripMs
 * @property {number} [stallMs] how long a connection stands still, as after a loss
 * @property {number} [stallEveryBytes] on average, between two stalls of a connection
 */

/** What one connection may have under way; a generous receive window. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/**
 * @param {number} targetPort
 * @param {LinkProfile} profile
 * @returns {Promise<{ port: number, close(): void }>}
 */
export function openLink(targetPort, profile) {
  const up = createLane(profile);
  const down = createLane(profile);
  const random = createRandom(1);
  /** @type {Set<import('node:net').Socket>} */
  const sockets = new Set();
  const server = createServer({ noDelay: true }, (client) => {
    const upstream = connect({ port: targetPort, host: '127.0.0.1', noDelay: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    // The proxy accepts at once; what a handshake takes is waited for before the first byte.
    const opensAtMs = performance.now() + profile.roundTripMs;
    carry(client, upstream, up, { profile, opensAtMs, stalls: createStalls(profile, random) });
    carry(upstream, client, down, { profile, opensAtMs: 0, stalls: undefined });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address ? address.port : 0,
        close() {
          server.close();
          for (const socket of sockets) socket.destroy();
        },
      });
    });
  });
}

/** One direction: bytes leave one after another, whoever sends them. @param {LinkProfile} profile */
function createLane({ bytesPerS }) {
  let freeAtMs = 0;
  return {
    /** @param {number} bytes @param {number} readyAtMs @returns {number} when the last of them has left */
    send(bytes, readyAtMs) {
      freeAtMs = Math.max(freeAtMs, readyAtMs) + (bytes / bytesPerS) * 1000;
      return freeAtMs;
    },
  };
}

/**
 * @param {import('node:net').Socket} from
 * @param {import('node:net').Socket} to
 * @param {ReturnType<typeof createLane>} lane
 * @param {{ profile: LinkProfile, opensAtMs: number, stalls: ReturnType<typeof createStalls> | undefined }} options
 */
function carry(from, to, lane, { profile, opensAtMs, stalls }) {
  const oneWayMs = profile.roundTripMs / 2;
  /** @type {{ chunk: Buffer, dueAtMs: number }[]} */
  const queue = [];
  let underWay = 0;
  let lastDueAtMs = 0;
  let ended = false;
  let waiting = false;

  const deliver = () => {
    waiting = false;
    const nowMs = performance.now();
    for (let first = queue[0]; first && first.dueAtMs <= nowMs; first = queue[0]) {
      queue.shift();
      to.write(first.chunk);
      const { length } = first.chunk;
      // The window opens again when the acknowledgement is back.
      setTimeout(() => {
        underWay -= length;
        if (underWay < WINDOW_BYTES) from.resume();
      }, oneWayMs);
    }
    if (queue[0]) wait(queue[0].dueAtMs - performance.now());
    else if (ended) to.end();
  };
  const wait = (/** @type {number} */ delayMs) => {
    waiting = true;
    setTimeout(deliver, Math.max(1, delayMs));
  };
  from.on('data', (chunk) => {
    const nowMs = performance.now();
    const leftAtMs = lane.send(chunk.length, Math.max(nowMs, opensAtMs));
    const stallMs = stalls?.(chunk.length) ?? 0;
    lastDueAtMs = Math.max(lastDueAtMs, leftAtMs + oneWayMs) + stallMs;
    queue.push({ chunk, dueAtMs: lastDueAtMs });
    underWay += chunk.length;
    if (underWay >= WINDOW_BYTES) from.pause();
    if (!waiting) wait(lastDueAtMs - nowMs);
  });
  from.on('end', () => {
    ended = true;
    if (queue.length === 0) to.end();
  });
}

/**
 * How long a connection stands still after so many bytes more, in ms.
 *
 * @param {LinkProfile} profile
 * @param {() => number} random
 */
function createStalls({ stallMs = 0, stallEveryBytes = Number.POSITIVE_INFINITY }, random) {
  const draw = () => -Math.log(1 - random()) * stallEveryBytes;
  let left = draw();
  return (/** @type {number} */ bytes) => {
    left -= bytes;
    if (left > 0) return 0;
    left = draw();
    return stallMs;
  };
}

/** The same stalls in every run. @param {number} seed */
function createRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
