// @ts-check
/** @import { Context, Findings } from '../lib/context.js' */

/**
 * @param {Context} _context
 * @returns {Promise<Findings>}
 */
export async function browserClient(_context) {
  return { rows: [], ratios: { browserVsCosJsV4: null }, notes: ['Browser: not measured in this run'] };
}
