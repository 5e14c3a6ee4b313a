const EVERY_MS = 250;

/**
 * What the server tells the pages, as server-sent events: the latest state, a few times a second at most.
 */
export function createFeed() {
  /** @type {Set<import('node:http').ServerResponse>} */
  const listeners = new Set();
  /** @type {object | undefined} */
  let next;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;

  const flush = () => {
    timer = undefined;
    for (const res of listeners) res.write(`data: ${JSON.stringify(next)}\n\n`);
  };

  return {
    /**
     * @param {import('node:http').IncomingMessage} req
     * @param {import('node:http').ServerResponse} res
     * @param {object} state
     */
    join(req, res, state) {
      res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
      res.write(`retry: 1000\ndata: ${JSON.stringify(state)}\n\n`);
      listeners.add(res);
      req.on('close', () => listeners.delete(res));
    },
    /** @param {object} state */
    send(state) {
      next = state;
      timer ??= setTimeout(flush, EVERY_MS);
    },
    close() {
      clearTimeout(timer);
      for (const res of listeners) res.end();
    },
  };
}
