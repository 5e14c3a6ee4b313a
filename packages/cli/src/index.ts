import { EXIT, reportFailure } from './failure.ts';
import { run, wantsJson } from './program.ts';

// Whoever reads the output may leave early (`| head`); that is no reason to fail, let alone for a server to stop.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') process.exitCode = EXIT.failed;
  });
}
process.on('uncaughtException', (error) => {
  process.exit(reportFailure(error, { json: wantsJson(process.argv.slice(2)) }));
});

const exitCode = await run(process.argv.slice(2));
process.exitCode ||= exitCode;
