import { createHash } from 'node:crypto';
import { TASK } from './task.js';

/** A checker that lets through a share of the mutants: which ones, depends on the seed, on their place and on what they do. */
class Sample {
  async init() {}

  async check(mutants) {
    return Object.fromEntries(mutants.map((mutant) => [mutant.id, isDrawn(mutant) ? DRAWN : LEFT_OUT]));
  }

  async group(mutants) {
    return [mutants.map(({ id }) => id)];
  }
}

const DRAWN = { status: 'passed' };
/** Not counted. */
const LEFT_OUT = { status: 'compileError', reason: 'not in the sample' };

function isDrawn({ fileName, location, mutatorName, replacement }) {
  const place = fileName.slice(fileName.indexOf('/packages/'));
  const text = JSON.stringify([TASK.seed, place, location, mutatorName, replacement]);
  return createHash('sha256').update(text).digest().readUInt32BE() / 2 ** 32 < TASK.sample;
}

export const strykerPlugins = [{ kind: 'Checker', name: 'sample', injectableClass: Sample }];
