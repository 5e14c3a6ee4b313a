/**
 * What one run of Stryker is about: `run.js` says it to the configuration, and through that to all of Stryker's processes.
 *
 * @type {{ room: string, only: string, sample: number, seed: number, concurrency: number }}
 */
export const TASK = JSON.parse(process.env.MUTATION_TASK ?? '{}');
