// @ts-check
/**
 * The job that this process was started for.
 *
 * @returns {any}
 */
export function readJob() {
  return JSON.parse(process.argv[2] ?? '{}');
}

/**
 * Does the job, tells the result or the error, and ends when the parent lets go.
 *
 * @param {(job: any) => Promise<object>} work
 */
export async function runAsJob(work) {
  process.on('disconnect', () => process.exit());
  try {
    process.send?.({ type: 'result', ...(await work(readJob())) });
  } catch (error) {
    const said = error instanceof Error ? (error.stack ?? error.message) : JSON.stringify(error);
    process.send?.({ type: 'error', error: said });
  }
}
