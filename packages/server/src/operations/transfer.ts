import { isBucket } from '../access.ts';
import type { Exchange } from '../exchange.ts';
import type { Form } from '../form/read-form.ts';
import { lockAll, lockKey } from '../locker.ts';
import { ProtocolError } from '../protocol/codes.ts';
import { type Fields, requiredField } from '../protocol/fields.ts';
import { checkPath, onePathEnd } from '../protocol/path.ts';
import { signerOf } from '../repeats.ts';
import { objectToStay } from '../sessions.ts';
import { isCovered } from '../signature/signature.ts';
import { StoreError, type Target } from '../store/store.ts';
import { pathOf } from './describe.ts';
import { nothingAt } from './nothing.ts';

/**
 * `copy`: makes a second file of the same content, and all that is said of it.
 *
 * @throws ProtocolError -197, -177, -178, -180, -5997 when it takes longer: asking again goes on with it
 */
export async function copyFile(exchange: Exchange, { fields }: Form): Promise<object> {
  const { store } = exchange.settings;
  const source = exchange.target;
  const target = destinationOf(exchange, fields);
  try {
    if (!(await store.copyObject(source, target, signerOf(exchange), mayReplace(fields))))
      throw await nothingAt(exchange);
  } catch (error) {
    if (!(error instanceof StoreError) || error.problem !== 'exists') throw error;
    const revision = (await store.statObject(source))?.revision;
    if (!(await isOwnDoing(exchange, target, revision))) throw error;
  }
  return exchange.urlsOf(target);
}

/** What a copy under a signature that is used up has made, when that is what is asked for once more. */
export async function copyAgain(exchange: Exchange, { fields }: Form): Promise<object | undefined> {
  const target = destinationOf(exchange, fields);
  return (await isOwnDoing(exchange, target)) ? exchange.urlsOf(target) : undefined;
}

/**
 * `move`: gives a file or a directory another path.
 *
 * @throws ProtocolError -197, -177, -178, -180
 */
export async function movePath(exchange: Exchange, form: Form): Promise<object> {
  const { settings, target: source, isDirectory } = exchange;
  const { store, locker } = settings;
  const target = destinationOf(exchange, form.fields);
  const overwrite = mayReplace(form.fields);
  const signedBy = signerOf(exchange);
  const isMoved = await lockAll(locker, [lockKey(source), lockKey(target)], async () =>
    isDirectory
      ? store.directories.move(source, target, signedBy)
      : (await store.moveObject(source, target, signedBy, overwrite)) !== undefined,
  );
  if (isMoved) return describeMoved(exchange, target);
  const moved = await moveAgain(exchange, form);
  if (!moved) throw await nothingAt(exchange);
  return moved;
}

/** What a move has done whose reply was lost, when that is what is asked for once more. */
export async function moveAgain(exchange: Exchange, { fields }: Form): Promise<object | undefined> {
  const { store } = exchange.settings;
  const target = destinationOf(exchange, fields);
  const there = exchange.isDirectory ? store.directories : undefined;
  const isThere = await (there ? there.stat(exchange.target) : store.statObject(exchange.target));
  if (isThere || !(await isOwnDoing(exchange, target))) return undefined;
  return describeMoved(exchange, target);
}

function describeMoved(exchange: Exchange, target: Target): object {
  return exchange.isDirectory ? pathOf(exchange, target) : exchange.urlsOf(target);
}

/** Whether what is at the target was made from the source under the very signature of this request. */
async function isOwnDoing(exchange: Exchange, target: Target, revision?: string): Promise<boolean> {
  const { settings, isDirectory } = exchange;
  const info = await (isDirectory ? settings.store.directories.stat(target) : objectToStay({ settings, target }));
  if (info?.signedBy !== signerOf(exchange) || info.origin?.path !== exchange.target.path) return false;
  return revision === undefined || info.origin.revision === revision;
}

/**
 * Where `dest_fileid` leads: from the bucket when it begins with a slash, with or without `/<appid>/<bucket>` in front, and else
 * from the directory that the source is in.
 *
 * @throws ProtocolError -5999 without one, -180 for a path that cannot be or that is not another, -63
 */
function destinationOf({ settings, target: source, isDirectory, grant }: Exchange, fields: Fields): Target {
  const { appId, bucket } = source;
  const given = requiredField(fields, 'dest_fileid');
  const own = `/${appId}/${bucket}/`;
  const [first, second] = given.split('/').slice(1);
  if (
    given.startsWith('/') &&
    !given.startsWith(own) &&
    first === appId &&
    isBucket(settings, { appId, bucket: second ?? '' })
  ) {
    throw new ProtocolError('invalidPath', 'dest_fileid is in another bucket');
  }
  const directory = source.path.slice(0, source.path.lastIndexOf('/') + 1);
  const whole = given.startsWith('/') ? given.slice(given.startsWith(own) ? own.length : 1) : directory + given;
  const path = onePathEnd(whole);
  checkPath(path);
  if (path.endsWith('/') && !isDirectory) throw new ProtocolError('invalidPath', 'dest_fileid is that of a directory');
  const target = { ...source, path: path.replace(/\/$/, '') };
  if (source.path === '') throw new ProtocolError('invalidPath', 'a bucket stays where it is');
  if (target.path === source.path) throw new ProtocolError('invalidPath', 'dest_fileid is where it is already');
  if (isDirectory && target.path.startsWith(`${source.path}/`)) {
    throw new ProtocolError('invalidPath', 'dest_fileid is in the directory itself');
  }
  // One for a single use is bound to what is moved or copied, and leaves open where to.
  if (grant.kind === 'multi' && !isCovered(grant, target))
    throw new ProtocolError('signatureFileId', 'for dest_fileid');
  return target;
}

/** @throws ProtocolError -5999 */
function mayReplace(fields: Fields): boolean {
  const text = fields.get('to_over_write')?.trim() ?? '';
  if (text === '1') return true;
  // A browser's client writes what it was not told as that.
  if (text === '' || text === '0' || text === 'undefined') return false;
  throw new ProtocolError('badParameter', 'to_over_write is neither 0 nor 1');
}
