// @ts-check
// Another version of the repository, installed and built in a folder of its own.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/**
 * @typedef {object} Version
 * @property {string} name
 * @property {URL} bench Its folder of benchmarks: its own code measures it.
 * @property {(file: string) => boolean} has Whether it can measure that yet.
 */

/** The files as they are, committed or not. @returns {Version} */
export function thisVersion() {
  return versionIn(ROOT, 'these files');
}

/**
 * @param {string} ref commit, tag or branch
 * @param {string} dir an empty folder
 * @param {(text: string) => void} log
 * @returns {Promise<Version>}
 */
export async function buildVersion(ref, dir, log) {
  const commit = commitOf(ref);
  await run('git', ['clone', '--quiet', '--shared', '--no-checkout', ROOT, dir], ROOT);
  await run('git', ['-c', 'advice.detachedHead=false', 'checkout', '--quiet', commit], dir);
  log(`Installing ${ref} (${commit.slice(0, 9)})`);
  await run('npm', ['ci', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], dir);
  log(`Building ${ref}`);
  await run('npx', ['turbo', 'run', 'build', '--filter=@cos-slice/bench^...', '--output-logs=errors-only'], dir);
  return versionIn(dir, ref);
}

/** @param {string} ref */
function commitOf(ref) {
  const { status, stdout } = spawnSync('git', ['rev-parse', '--verify', '--quiet', `${ref}^{commit}`], { cwd: ROOT });
  if (status === 0) return String(stdout).trim();
  throw new Error(`--against: there is no commit, tag or branch ${ref} here`);
}

/** @param {string} root @param {string} name @returns {Version} */
function versionIn(root, name) {
  const bench = join(root, 'bench');
  return { name, bench: pathToFileURL(`${bench}/`), has: (file) => existsSync(join(bench, file)) };
}

/** @param {string} command @param {string[]} args @param {string} cwd */
function run(command, args, cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
    const stop = () => child.kill();
    process.once('exit', stop);
    child.once('exit', () => process.off('exit', stop));
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += chunk;
    });
    child.once('error', reject);
    child.once('exit', (code) => {
      if (code === 0) resolve(undefined);
      else reject(new Error(`${command} ${args.join(' ')} in ${cwd} failed:\n${said.slice(-2000)}`));
    });
  });
}
