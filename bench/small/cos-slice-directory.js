// @ts-check
import { clientFor } from './cos-slice.js';

/** @param {import('./main.js').SmallJob} job */
export async function prepare(job) {
  const client = clientFor(job);
  return { all: () => client.uploadDirectory(job.dir, { to: job.to }).done };
}
