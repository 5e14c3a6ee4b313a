// @ts-check
import { driver, machine } from './client.js';
import { cloudStore, fileStore, server } from './server.js';
import { wires } from './wires.js';

/**
 * One mistake in one place. `find` stands there once.
 *
 * @typedef {object} Mutant
 * @property {string} name what is wrong then
 * @property {string} file from the root
 * @property {string} find
 * @property {string} replace
 * @property {{ readonly find: string, readonly replace: string }} [also] where the same is looked at twice
 */

/** Mistakes made by hand, room by room: the simulation has to find every one. @type {Readonly<Record<string, readonly Mutant[]>>} */
export const MUTANTS = {
  'the machine': machine,
  'the driver': driver,
  'the file store': fileStore,
  'the cloud store': cloudStore,
  'the server': server,
  'the wires': wires,
};
