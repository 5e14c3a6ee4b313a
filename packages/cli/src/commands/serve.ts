import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createSliceServer, fileStore, type RequestInfo } from '@cos-slice/server';
import { EXIT, UsageError } from '../failure.ts';
import { type AccountFlags, withEnvironment } from '../settings.ts';
import { formatBytes, parseBytes, parseWhole } from '../units.ts';

export interface ServeFlags extends AccountFlags {
  readonly root: string;
  readonly port: string;
  readonly host: string;
  readonly bucket: readonly string[];
  readonly sliceSize?: string;
  readonly publicRead?: boolean;
  readonly quiet?: boolean;
}

/** Serves until it is told to stop. @returns the exit code */
export async function serve(flags: ServeFlags): Promise<number> {
  const port = parseWhole('--port', flags.port, 0, 65_535);
  const settings = withEnvironment(flags, process.env);
  const { appId = '10000000', secretId = 'demo' } = settings;
  const secretKey = settings.secretKey ?? randomBytes(18).toString('base64url');
  const root = resolve(flags.root);
  await mkdir(root, { recursive: true }).catch((error) => {
    throw new UsageError(`--root ${root} cannot be made: ${error.message}`);
  });

  const server = createServer(flags, { appId, secretId, secretKey, root });
  const { url } = await server.listen(port, flags.host).catch((error) => {
    throw new UsageError(listenProblem(error, port, flags.host));
  });
  const endpoint = `${url}/files/v2`;
  process.stdout.write(`ready ${endpoint}\n`);
  if (!flags.quiet) {
    const key = settings.secretKey === undefined ? secretKey : '...';
    process.stdout.write(
      [
        `files in ${root}, application ${appId}, buckets ${flags.bucket.join(', ')}`,
        'upload with:',
        `  COS_SECRET_ID=${secretId} COS_SECRET_KEY=${key} cos-slice upload FILE ${flags.bucket[0]}/NAME --endpoint ${endpoint} --app-id ${appId}`,
        '',
      ].join('\n'),
    );
  }
  await new Promise<void>((stop) => {
    process.once('SIGINT', stop);
    process.once('SIGTERM', stop);
  });
  await server.close();
  return EXIT.done;
}

function createServer(
  flags: ServeFlags,
  account: { appId: string; secretId: string; secretKey: string; root: string },
): ReturnType<typeof createSliceServer> {
  const { root, ...credentials } = account;
  const forcedBytes = flags.sliceSize === undefined ? undefined : parseBytes('--slice-size', flags.sliceSize);
  try {
    return createSliceServer({
      store: fileStore(root),
      accounts: [{ ...credentials, buckets: flags.bucket }],
      publicRead: flags.publicRead === true,
      ...(forcedBytes === undefined ? {} : { sliceSize: { forcedBytes } }),
      ...(flags.quiet ? {} : { onRequest: log }),
    });
  } catch (error) {
    if (error instanceof TypeError) throw new UsageError(error.message.replace(/^createSliceServer: /, ''));
    throw error;
  }
}

function log({ method, op, path, status, code, bytes, durationMs, fault }: RequestInfo): void {
  const time = new Date().toISOString().slice(11, 19);
  const said = fault === undefined ? '' : ` ${fault instanceof Error ? fault.message : String(fault)}`;
  const name = JSON.stringify(path ?? '?');
  process.stdout.write(
    `${time} ${method} ${op ?? '-'} ${name} ${status || 'cut off'} ${code} ${formatBytes(bytes)} ${durationMs.toFixed(1)}ms${said}\n`,
  );
}

function listenProblem(error: NodeJS.ErrnoException, port: number, host: string): string {
  if (error.code === 'EADDRINUSE') return `port ${port} is taken: choose another with --port, or 0 for a free one`;
  if (error.code === 'EACCES') return `port ${port} may not be used: choose one above 1023 with --port`;
  return `cannot listen on ${host}:${port}: ${error.message}`;
}
