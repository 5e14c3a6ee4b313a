// @ts-check
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const HELP = `Client and server in other runtimes than this one, each with a partner in this one.

  npm run runtimes                    # ${'bun@1 deno@2 node@22 node@24'}
  npm run runtimes -- bun@1.3 node@26 # packages of npm that bring a runtime along; "node" is this one

Exits with 1 when anything goes otherwise than in this one.
`;

const HERE = dirname(fileURLToPath(import.meta.url));
const PART = join(HERE, 'part.js');
const DEFAULTS = ['bun@1', 'deno@2', 'node@22', 'node@24'];
/** Longer than any of it takes on a busy machine. */
const PATIENCE_MS = 300_000;

const { values, positionals } = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean' } } });
if (values.help) console.log(HELP);
else {
  const folder = await mkdtemp(join(tmpdir(), 'cos-slice-runtimes-'));
  try {
    for (const name of positionals.length > 0 ? positionals : DEFAULTS) await tryRuntime(name, folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * @param {string} name
 * @param {string} folder
 */
async function tryRuntime(name, folder) {
  const command = name === 'node' ? [process.execPath] : await install(name, join(folder, name));
  for (const [client, server] of [
    [command, [process.execPath]],
    [[process.execPath], command],
  ]) {
    console.log(`${name} as the ${client === command ? 'client' : 'server'}`);
    const own = await mkdtemp(join(folder, 'try-'));
    await mkdir(join(own, 'root'));
    await tryPair(client ?? [], server ?? [], own);
    if (name === 'node') return;
  }
}

/**
 * @param {string} name
 * @param {string} folder
 * @returns {Promise<string[]>} what begins a command
 */
async function install(name, folder) {
  await mkdir(join(folder, 'node_modules'), { recursive: true });
  const npm = spawn('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error', name], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const [code] = await once(npm, 'exit');
  if (code !== 0) throw new Error(`npm cannot install ${name}`);
  const binary = join(folder, 'node_modules/.bin', name.replace(/@.*/, ''));
  return name.startsWith('deno') ? [binary, 'run', '-A'] : [binary];
}

/**
 * @param {readonly string[]} client
 * @param {readonly string[]} server
 * @param {string} folder
 */
async function tryPair(client, server, folder) {
  const listener = start(server, ['server', join(folder, 'root')]);
  try {
    const port = await Promise.race([
      listening(listener),
      once(listener, 'exit').then(() => Promise.reject(new Error('the server ended before it listened'))),
    ]);
    const exchange = start(client, ['client', `http://127.0.0.1:${port}/files/v2`, folder]);
    exchange.stdout.on('data', (text) => process.stdout.write(text));
    await succeeds(exchange, 'the client');
    listener.stdin.end();
    await succeeds(listener, 'the server');
  } finally {
    listener.kill('SIGKILL');
  }
}

/**
 * @param {readonly string[]} command
 * @param {readonly string[]} args
 */
function start([program = '', ...first], args) {
  return spawn(program, [...first, PART, ...args], {
    cwd: HERE,
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
  });
}

/** @param {ReturnType<typeof start>} server */
async function listening(server) {
  for await (const line of createInterface(server.stdout)) {
    const port = /^listening (\d+)$/.exec(line)?.[1];
    if (port) return port;
  }
  throw new Error('the server does not say where it listens');
}

/**
 * @param {ReturnType<typeof start>} process
 * @param {string} who
 */
async function succeeds(process, who) {
  const { exitCode, signalCode } = process;
  const [code, signal] = (exitCode ?? signalCode) === null ? await once(process, 'exit') : [exitCode, signalCode];
  if (code !== 0) throw new Error(`${who} ended with ${code ?? signal}`);
}
