// @ts-check
// Opens a link for whoever asks, in a process of its own.
import { openLink } from './link.js';

/** @type {Map<number, { close(): void }>} */
const links = new Map();
process.on(
  'message',
  async (/** @type {{ open?: { id: number, port: number, profile: any }, close?: number }} */ message) => {
    if (message.open) {
      const { id, port, profile } = message.open;
      const link = await openLink(port, profile);
      links.set(id, link);
      process.send?.({ type: 'open', id, port: link.port });
    } else if (message.close !== undefined) {
      links.get(message.close)?.close();
      links.delete(message.close);
      process.send?.({ type: 'closed', id: message.close });
    }
  },
);
process.on('disconnect', () => process.exit());
process.send?.({ type: 'ready' });
