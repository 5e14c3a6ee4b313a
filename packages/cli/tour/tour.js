// The whole project in a minute: a real server, a real file, an uploader that is killed halfway and carries on.
import { spawn } from 'node:child_process';
import { createHash, randomBytes, randomFillSync } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openSlowLink } from './slow-link.js';

const MIB = 1024 * 1024;
const FILE_BYTES = 256 * MIB;
const KILL_AT = 0.4;
/** Loopback is too fast to watch, and to be killed at a chosen moment. */
const LINK_BYTES_PER_SEC = 32 * MIB;
const PATIENCE_MS = 150_000;
const CLI = fileURLToPath(new URL('../bin/cos-slice.js', import.meta.url));
const ACCOUNT = {
  COS_APP_ID: '10055004',
  COS_SECRET_ID: 'tour',
  COS_SECRET_KEY: randomBytes(12).toString('hex'),
};
const BUCKET = 'demo';
const PATH = 'films/film.bin';

const folder = await mkdtemp(join(tmpdir(), 'cos-slice-tour-'));
/** What has to be ended, whatever happens; the last one first. */
const cleanup = [() => rm(folder, { recursive: true, force: true })];
let exitCode = 0;
try {
  await Promise.race([tour(), ...endings()]);
} catch (error) {
  console.error(`\nThe tour failed: ${error instanceof Error ? error.message : error}`);
  exitCode = 1;
} finally {
  for (const undo of cleanup.reverse()) await undo();
}
process.exit(exitCode);

async function tour() {
  const startedAtMs = performance.now();

  say('1. Start a server that speaks the protocol. Its files lie in a folder.');
  const root = join(folder, 'store');
  const server = await startServer(['serve', '--root', root, '--bucket', BUCKET, '--port', '0', '--json']);
  tell(server.endpoint);

  say(`2. Make a file of ${FILE_BYTES / MIB} MiB.`);
  const file = join(folder, 'film.bin');
  await makeFile(file);
  tell(file);

  say(
    `3. Upload it over a link of ${LINK_BYTES_PER_SEC / MIB} MiB/s, and kill the uploader (SIGKILL) at ${KILL_AT * 100}%.`,
  );
  const link = await openSlowLink(Number(new URL(server.endpoint).port), LINK_BYTES_PER_SEC);
  cleanup.push(link.close);
  const endpoint = server.endpoint.replace(/:\d+/, `:${link.port}`);
  const command = ['upload', file, `${BUCKET}/${PATH}`, '--endpoint', endpoint, '--integrity', 'sha1', '--json'];
  tell(`$ cos-slice ${command.join(' ')}`);
  const first = start(command);
  const firstEnd = ended(first);
  await Promise.race([
    server.stored(FILE_BYTES * KILL_AT),
    firstEnd.then(({ output }) => {
      throw new Error(`the upload ended before it could be killed: ${output}`);
    }),
  ]);
  first.kill('SIGKILL');
  const { signal } = await firstEnd;
  check(signal === 'SIGKILL', 'the uploader was not killed');
  const storedBytes = server.storedBytes();
  // A killed process leaves the terminal as it was: the cursor is hidden, the bar stands.
  if (process.stderr.isTTY) process.stderr.write('\u001b[?25h\n');
  tell(`killed when the server had ${mib(storedBytes)}; there is no object yet`);
  const stored = join(root, ACCOUNT.COS_APP_ID, BUCKET, PATH);
  check(!(await exists(stored)), 'half a file is visible');

  say('4. Run the same command again.');
  const { code, output } = await ended(start(command));
  check(code === 0, `the second run ended with exit code ${code}: ${output}`);
  const result = JSON.parse(output);
  tell(`resumed ${mib(result.resumedBytes)}, sent ${mib(result.sentBytes)}`);
  check(
    result.resumedBytes >= storedBytes,
    `the server had ${storedBytes} bytes, but ${result.resumedBytes} were resumed`,
  );
  check(result.resumedBytes + result.sentBytes === FILE_BYTES, 'more was sent than was missing');

  say('5. Compare both ends.');
  const [here, there] = await Promise.all([sha256(file), sha256(stored)]);
  tell(`sha256 here   ${here}\n   sha256 there  ${there}`);
  check(here === there, 'the stored file is not the file that was uploaded');

  const seconds = ((performance.now() - startedAtMs) / 1000).toFixed(0);
  const saved = Math.round((100 * result.resumedBytes) / FILE_BYTES);
  say(`Both are the same. The second run had ${saved}% of its work done already, by a process that never got to say goodbye.
The tour took ${seconds} s and has cleaned up after itself. Next: cos-slice --help, and the README.`);
}

function say(text) {
  console.log(`\n${text}`);
}

function tell(text) {
  console.log(`   ${text}`);
}

function check(fact, otherwise) {
  if (!fact) throw new Error(otherwise);
}

function mib(bytes) {
  return `${Math.round(bytes / MIB)} MiB`;
}

/** What ends the tour early. */
function endings() {
  const late = new Promise((_, fail) => {
    setTimeout(() => fail(new Error(`not done after ${PATIENCE_MS / 1000} s`)), PATIENCE_MS).unref();
  });
  const interrupted = new Promise((_, fail) => {
    for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => fail(new Error(`stopped by ${signal}`)));
  });
  return [late, interrupted];
}

/** The real command line, as a process of its own. Its progress goes where ours does. */
function start(args) {
  // Unfinished uploads are remembered in here, not in the user's home.
  const env = { ...process.env, ...ACCOUNT, XDG_STATE_HOME: join(folder, 'state') };
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['ignore', 'pipe', 'inherit'], env });
  cleanup.push(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  });
  return child;
}

async function ended(child) {
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += chunk;
  });
  const [code, signal] = await once(child, 'close');
  return { code, signal, output: output.trim() };
}

/** Follows the server's log: what it has acknowledged is what it has. */
async function startServer(args) {
  const child = start(args);
  let bytes = 0;
  let ready = () => {};
  let progressed = () => {};
  createInterface(child.stdout).on('line', (line) => {
    const event = JSON.parse(line);
    if (event.event === 'ready') ready(event.endpoint);
    if (event.op === 'upload_slice_data' && event.code === 0) bytes += MIB;
    progressed();
  });
  const endpoint = await new Promise((resolve, fail) => {
    ready = resolve;
    child.once('exit', (code) => fail(new Error(`the server ended with exit code ${code}`)));
  });
  return {
    endpoint,
    storedBytes: () => bytes,
    stored: (wanted) =>
      new Promise((resolve) => {
        progressed = () => bytes >= wanted && resolve();
      }),
  };
}

/** Random at the start of each block, so that no two are alike and a slice in the wrong place shows. */
async function makeFile(path) {
  const block = randomFillSync(Buffer.alloc(8 * MIB));
  const file = await open(path, 'w');
  for (let offset = 0; offset < FILE_BYTES; offset += block.length) {
    for (let at = 0; at < block.length; at += MIB) randomFillSync(block, at, 64);
    await file.write(block, 0, block.length, offset);
  }
  await file.close();
}

function exists(path) {
  return stat(path).then(
    () => true,
    () => false,
  );
}

async function sha256(path) {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: MIB })) hash.update(chunk);
  return hash.digest('hex');
}
