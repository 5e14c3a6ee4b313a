// @ts-check
// One measurement in a process of its own, so that none warms up another's code or inherits its heap.
import { runAsJob } from '../lib/job.js';
import { resumeSeconds, uploadsAtOnce } from './drive.js';
import { planMicrosPerSlice, stateMiB } from './plan.js';

await runAsJob(async ({ kind, sizeBytes, uploads, requests, slices }) => {
  if (kind === 'plan') return { micros: planMicrosPerSlice(sizeBytes), stateMiB: stateMiB(sizeBytes) };
  if (kind === 'uploads') return uploadsAtOnce(uploads, requests);
  return { seconds: await resumeSeconds(slices) };
});
