import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { EXIT, reportFailure, UsageError } from './failure.ts';

const VARIABLES = {
  COS_SLICE_ENDPOINT: '--endpoint',
  COS_APP_ID: '--app-id',
  COS_SECRET_ID: '--secret-id',
  COS_SECRET_KEY: '--secret-key',
  COS_SIGN_URL: '--sign-url',
} as const;

const EXIT_HELP = `
Exit codes:
  0 done, 1 failed, 2 wrong usage or settings, 130 interrupted`;

const DEBUG_HELP = `
  DEBUG=cos-slice      adds stack traces to errors`;

const KEY_HELP = `
Other users of the machine can see command lines: better put the key into COS_SECRET_KEY.`;

/** Runs the command line. @returns the exit code */
export async function run(argv: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.done;
  const program = createProgram(argv, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return exitCode;
  } catch (error) {
    if (!(error instanceof CommanderError)) return reportFailure(error, wantsJson(argv));
    // Help and version have been printed.
    if (error.exitCode === 0) return EXIT.done;
    if (error.code === 'commander.help') return EXIT.usage;
    const [command = ''] = argv.filter((word) => !word.startsWith('-'));
    const help = COMMANDS.includes(command) ? `cos-slice ${command} --help` : 'cos-slice --help';
    const message = error.message.replace(/^error: /, '').replace(/[.?]?$/, (end) => end || '.');
    return reportFailure(new UsageError(`${message} See ${help}`), wantsJson(argv));
  }
}

const COMMANDS = ['upload', 'serve', 'sign'];

/** Also when the command line could not be understood. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? undefined : end).includes('--json');
}

/** Each command is loaded when it is called: an upload does not wait for a server. */
function createProgram(argv: readonly string[], done: (exitCode: number) => void): Command {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  const program = new Command('cos-slice')
    .description('Resumable slice uploads over the Tencent Cloud COS JSON API (v4), and a server that speaks it.')
    .version(version)
    // What goes wrong is reported by `run`, in one line.
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    .addHelpText(
      'after',
      `
Try it:
  cos-slice serve --root ./store                   starts a server and prints an upload command to paste
  cos-slice upload film.mp4 demo/films/            uploads; run it again to resume
  cos-slice COMMAND --help                         flags, variables and examples
${EXIT_HELP}`,
    );

  program
    .command('upload')
    .summary('upload a file, or resume')
    .description(
      'Uploads a file in slices. Run the same command again to resume after an interruption, a crash or a failure.',
    )
    .argument('<FILE>', 'the file to upload')
    .argument('<BUCKET/PATH>', "where to; a path that ends in / gets the file's name")
    .option('--endpoint <URL>', 'URL prefix, such as https://sh.file.myqcloud.com/files/v2')
    .option('--app-id <ID>', "the application's id")
    .option('--secret-id <ID>', 'secret id')
    .option('--secret-key <KEY>', 'secret key')
    .option('--sign-url <URL>', 'ask this service for signatures instead of holding a key')
    .option(
      '--integrity <LEVEL>',
      'what the server checks: none, md5 (every slice; default) or sha1 (slices and whole file)',
    )
    .option('--slice-size <SIZE>', 'slices to ask for, 64k to 16m (default: 1m; the server decides)')
    .option('--concurrency <N>', 'slices in flight, 1 to 64 (default: adapts, up to 16)')
    .option('--overwrite', 'replace what is at the path')
    .option('--on-conflict <WHAT>', "another file's unfinished upload at the path: error (default) or restart")
    .option('--may-grow', 'send a growing file, such as a log, as long as it is at the start')
    .option('--proxy <URL>', 'go through this proxy (default: HTTP_PROXY, HTTPS_PROXY and NO_PROXY)')
    .option('--attributes <TEXT>', 'text to store with the object (biz_attr)')
    .option('--no-resume', 'neither remember this upload nor look for an earlier run of it')
    .option('--quiet', 'no progress')
    .option('--json', 'print one JSON object at the end, whatever happens')
    .addHelpText(
      'after',
      `
Examples:
  cos-slice upload film.mp4 films/2024/film.mp4 --endpoint https://sh.file.myqcloud.com/files/v2 --app-id 10055004
  cos-slice upload disk.img backup/ --integrity sha1 --slice-size 3MiB --json
  cos-slice upload notes.txt docs/notes.txt --sign-url https://example.com/sign --overwrite

Environment (flags go first):${variablesHelp('COS_SLICE_ENDPOINT', 'COS_APP_ID', 'COS_SECRET_ID', 'COS_SECRET_KEY', 'COS_SIGN_URL')}
  HTTP_PROXY, HTTPS_PROXY, NO_PROXY   which proxy to go through
  NODE_EXTRA_CA_CERTS  a file of more certificates to trust
  NO_COLOR             no colours
  XDG_STATE_HOME       where unfinished uploads are remembered (default: ~/.local/state)${DEBUG_HELP}
${KEY_HELP}

--sign-url gets POST {"appId","bucket","path","effect","nowSec"} and answers {"signature":"..."}.

With --json: {"ok":true,"path","accessUrl","sizeBytes","sentBytes","resumedBytes","durationMs",...}
         or: {"ok":false,"code","message","path",...}
${EXIT_HELP}`,
    )
    .action(async (file, target, flags) => {
      const { upload } = await import('./commands/upload.ts');
      done(await upload(file, target, flags, argv));
    });

  program
    .command('serve')
    .summary('run a server, its files in a folder')
    .description('Runs a server that speaks the protocol. Objects are plain files at DIR/<app id>/<bucket>/<path>.')
    .requiredOption('--root <DIR>', 'folder for the files; made when missing')
    .option('--port <N>', 'port; 0 takes a free one', '9000')
    .option('--host <HOST>', 'address to listen on', '127.0.0.1')
    .option('--bucket <NAME>', 'a bucket; repeat for more (default: demo)', (name: string, names: string[] = []) => [
      ...names,
      name,
    ])
    .option('--app-id <ID>', "the application's id (default: 10000000)")
    .option('--secret-id <ID>', 'secret id (default: demo)')
    .option('--secret-key <KEY>', 'secret key (default: made up and printed)')
    .option('--public-read', 'let anyone download')
    .option(
      '--public-url <URL>',
      'where clients see the server, such as https://files.example, for the URLs in replies',
    )
    .option('--trust-proxy', 'believe X-Forwarded-Proto, -Host, -Port and -Prefix: only behind a proxy of yours')
    .option('--grace <SECONDS>', 'how long requests under way may go on when told to stop, up to 3600', '10')
    .option('--slice-size <SIZE>', 'slice size of every upload, whatever clients ask for')
    .option('--quiet', 'only the line that says ready')
    .option('--json', 'print everything as JSON, one object a line')
    .addHelpText(
      'after',
      `
The first line is "ready URL", the rest a line for each request: time, op, path, HTTP status, code, ms, size.
Ctrl-C (or SIGTERM) lets requests under way end and stops the server, a second one stops it at once; what uploads have
stored stays and can be resumed. GET / and /-/healthy say 200 to probes, /-/ready until the server is told to stop.

Examples:
  cos-slice serve --root ./store
  COS_SECRET_KEY=... cos-slice serve --root /srv/files --bucket films --bucket backup --app-id 10055004 --secret-id ID

Environment (flags go first):${variablesHelp('COS_APP_ID', 'COS_SECRET_ID', 'COS_SECRET_KEY')}${DEBUG_HELP}
${KEY_HELP}
${EXIT_HELP}`,
    )
    .action(async (flags) => {
      const { serve } = await import('./commands/serve.ts');
      done(await serve({ ...flags, bucket: flags.bucket ?? ['demo'] }));
    });

  program
    .command('sign')
    .summary('print a signature')
    .description('Prints a signature for the Authorization header, or for ?sign= when percent-encoded (--query).')
    .argument('<BUCKET[/PATH]>', 'what it is for: a path and what is below it, or without one the whole bucket')
    .option('--expires <SECONDS>', 'how long it is good for, 60 to 7776000 (default: 3600)')
    .option('--once', 'for a single use within minutes, such as deleting')
    .option('--bind', 'bind it to the path (default when there is one)')
    .option('--no-bind', 'let it cover the whole bucket')
    .option('--query', 'print sign=... to put into a URL')
    .option('--json', 'print JSON')
    .option('--app-id <ID>', "the application's id")
    .option('--secret-id <ID>', 'secret id')
    .option('--secret-key <KEY>', 'secret key')
    .addHelpText(
      'after',
      `
Examples:
  cos-slice sign films --expires 600
  curl "http://127.0.0.1:9000/files/v2/10000000/demo/film.mp4?$(cos-slice sign demo/film.mp4 --query)" -o film.mp4
  curl -H "Authorization: $(cos-slice sign demo/film.mp4 --once)" -F op=delete http://127.0.0.1:9000/files/v2/10000000/demo/film.mp4

Environment (flags go first):${variablesHelp('COS_APP_ID', 'COS_SECRET_ID', 'COS_SECRET_KEY')}${DEBUG_HELP}
${KEY_HELP}
${EXIT_HELP}`,
    )
    .action(async (target, flags) => {
      const { sign } = await import('./commands/sign.ts');
      done(await sign(target, flags));
    });
  return program;
}

function variablesHelp(...names: (keyof typeof VARIABLES)[]): string {
  return names.map((name) => `\n  ${name.padEnd(20)} ${VARIABLES[name]}`).join('');
}
