// @ts-check
/** @import { Measured } from './usage.js' */

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? at(sorted, middle) : (at(sorted, middle - 1) + at(sorted, middle)) / 2;
}

/** @param {readonly number[]} values @param {number} index */
function at(values, index) {
  return values[index] ?? Number.NaN;
}

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {number | null} mibPerS
 * @property {number | null} cpuSPerGiB
 * @property {number | null} rssGrowthMiB
 */

/**
 * The runs of the candidates of one section. Ratios are made of runs of the same round, which met the same machine, and only
 * then is their median taken.
 */
export class Samples {
  /** @type {Map<string, (Measured & { sizeBytes: number })[]>} */
  #runs = new Map();

  /** @param {string} name @param {Measured} measured @param {number} sizeBytes */
  add(name, measured, sizeBytes) {
    const runs = this.#runs.get(name) ?? [];
    runs.push({ ...measured, sizeBytes });
    this.#runs.set(name, runs);
  }

  get names() {
    return [...this.#runs.keys()];
  }

  /** @param {string} name */
  runs(name) {
    return this.#runs.get(name) ?? [];
  }

  /** @returns {Row[]} */
  rows() {
    return this.names.map((name) => {
      const runs = this.runs(name);
      return {
        name,
        mibPerS: median(runs.map(speed)),
        cpuSPerGiB: known(median(runs.map(cpu))),
        rssGrowthMiB: known(median(runs.map((run) => run.rssGrowthMiB))),
      };
    });
  }

  /** How many times as fast `name` is as `other`. @param {string} name @param {string} other */
  speedRatio(name, other) {
    return this.#ratio(name, other, speed);
  }

  /** How many times the CPU time of `other` `name` takes. @param {string} name @param {string} other */
  cpuRatio(name, other) {
    return this.#ratio(name, other, cpu);
  }

  /** @param {string} name @param {string} other @param {(run: Measured & { sizeBytes: number }) => number} of */
  #ratio(name, other, of) {
    const others = this.runs(other);
    const ratios = this.runs(name).flatMap((run, index) => {
      const against = others[index];
      return against === undefined ? [] : [of(run) / of(against)];
    });
    return known(median(ratios));
  }
}

/** @param {Measured & { sizeBytes: number }} run */
function speed({ sizeBytes, wallMs }) {
  return sizeBytes / 1024 / 1024 / (wallMs / 1000);
}

/** @param {Measured & { sizeBytes: number }} run */
function cpu({ sizeBytes, cpuMs }) {
  return cpuMs / 1000 / (sizeBytes / 1024 ** 3);
}

/** @param {number} value */
function known(value) {
  return Number.isFinite(value) ? value : null;
}
