import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { serve } from './commands/serve.ts';
import { sign } from './commands/sign.ts';
import { upload } from './commands/upload.ts';
import { EXIT, toFailure } from './failure.ts';

const ACCOUNT_HELP = `
Environment (flags go first; prefer it for the key, since other users can see command lines):
  COS_SLICE_ENDPOINT   --endpoint      COS_SECRET_ID    --secret-id
  COS_APP_ID           --app-id        COS_SECRET_KEY   --secret-key
  COS_SIGN_URL         --sign-url
`;

const EXIT_HELP = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
`;

/** Runs the command line. @returns the exit code */
export async function run(argv: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.done;
  const program = createProgram((code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    const failure = toFailure(error);
    process.stderr.write(`cos-slice: ${failure.message}\n`);
    if (process.env.DEBUG === 'cos-slice') process.stderr.write(`${(error as Error).stack}\n`);
    return failure.exitCode;
  }
}

function createProgram(done: (exitCode: number) => void): Command {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const program = new Command('cos-slice')
    .description('Resumable slice uploads over the Tencent Cloud COS JSON API.')
    .version(version)
    .showHelpAfterError(false)
    .configureOutput({
      outputError: (text, write) =>
        write(
          `cos-slice: ${text
            .replace(/^error: /, '')
            .trim()
            .replace(/\s*\n\s*/g, ' ')}\n`,
        ),
    })
    .exitOverride()
    .addHelpText(
      'after',
      `
Try it:
  cos-slice serve --root /tmp/store --bucket demo
  cos-slice upload film.mp4 demo/films/film.mp4 --endpoint http://127.0.0.1:9000/files/v2 --app-id 10000000
${ACCOUNT_HELP}${EXIT_HELP}`,
    );

  account(program.command('upload'))
    .description('upload a file; run the same command again to resume')
    .argument('<FILE>', 'the file to upload')
    .argument('<BUCKET/PATH>', "where to; a path that ends in / gets the file's name")
    .option('--endpoint <URL>', 'URL prefix, such as https://sh.file.myqcloud.com/files/v2')
    .option('--sign-url <URL>', 'ask this service for signatures instead of holding the key')
    .option(
      '--integrity <LEVEL>',
      'what is checked: none, md5 (each slice) or sha1 (everything, instant upload) (default: md5)',
    )
    .option('--slice-size <SIZE>', 'slice size to ask for, 64k to 16m (default: 1m; the server decides)')
    .option('--concurrency <N>', 'slices in flight (default: adapts, up to 8)')
    .option('--overwrite', 'replace what is at the path')
    .option('--on-conflict <WHAT>', "other content's unfinished upload at the path: error or restart (default: error)")
    .option('--attributes <TEXT>', 'text to store with the object (biz_attr)')
    .option('--no-resume', 'neither remember this upload nor look for an earlier run of it')
    .option('--quiet', 'no progress')
    .option('--json', 'print one JSON object at the end')
    .addHelpText(
      'after',
      `
Examples:
  cos-slice upload film.mp4 films/2024/ --endpoint https://sh.file.myqcloud.com/files/v2 --app-id 10055004
  cos-slice upload disk.img backup/disk.img --integrity sha1 --slice-size 3m --json
${ACCOUNT_HELP}${EXIT_HELP}`,
    )
    .action(async (file, target, flags) => done(await upload(file, target, flags)));

  account(program.command('serve'))
    .description('run a server that speaks the protocol, its files in a folder')
    .requiredOption('--root <DIR>', 'folder for the files; made when missing')
    .option('--port <N>', 'port; 0 takes a free one', '9000')
    .option('--host <HOST>', 'address to listen on', '127.0.0.1')
    .option('--bucket <NAME>', 'a bucket; repeat for more (default: demo)', (name: string, names: string[] = []) => [
      ...names,
      name,
    ])
    .option('--slice-size <SIZE>', 'slice size of every upload, whatever clients ask for')
    .option('--public-read', 'let anyone download')
    .option('--quiet', 'no line for each request')
    .addHelpText(
      'after',
      `
The first line printed is "ready URL". Without a key one is made up and shown.

Example:
  cos-slice serve --root /srv/files --bucket films --bucket backup --app-id 10055004 --secret-id ID --secret-key KEY
${ACCOUNT_HELP}${EXIT_HELP}`,
    )
    .action(async (flags) => done(await serve({ ...flags, bucket: flags.bucket ?? ['demo'] })));

  account(program.command('sign'))
    .description('print a signature')
    .argument('<BUCKET[/PATH]>', 'what it is for; without a path the whole bucket')
    .option('--expires <SECONDS>', 'how long it is good for', '3600')
    .option('--once', 'for one use, such as deleting; needs a path')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Example:
  curl "$URL?sign=$(cos-slice sign films/2024/film.mp4 --expires 600 | jq -sRr '@uri')"
${ACCOUNT_HELP}${EXIT_HELP}`,
    )
    .action(async (target, flags) => done(await sign(target, flags)));
  return program;
}

function account(command: Command): Command {
  return command
    .option('--app-id <ID>', "the application's id")
    .option('--secret-id <ID>', 'secret id')
    .option('--secret-key <KEY>', 'secret key');
}
