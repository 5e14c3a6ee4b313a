// @ts-check
/** @import { Mutant } from './index.js' */

const files = 'packages/server/src/store/files';
const cloud = 'packages/server/src/testing/cloud-store.ts';

/** Of the store on a disk. @type {Mutant[]} */
export const fileStore = [
  {
    name: 'an object is put in place although one is there',
    file: `${files}/objects.ts`,
    find: 'if (overwrite) return rename(from, to);',
    replace: 'if (overwrite || from) return rename(from, to);',
    also: { find: "if (!overwrite) throw new StoreError('exists');", replace: '' },
  },
  {
    name: 'finish does not look whether all slices are there',
    file: `${files}/session.ts`,
    find: "if (ledger.stored.count !== sliceCount) throw new StoreError('incomplete');",
    replace: "if (ledger.stored.count === 0) throw new StoreError('incomplete');",
  },
  {
    name: 'a slice is on record before its bytes are written',
    file: `${files}/slice-writers.ts`,
    find: '        await batch.flush();\n        const verified = await file.verify(index, rangeOf(index), mark.md5);\n        if (await file.record(lease, { verified, atMs: mark.atMs })) return;',
    replace: '        if (await file.record(lease, { verified: false, atMs: mark.atMs })) return batch.flush();',
  },
  {
    name: 'bytes are not forced before the slice is on record',
    file: `${files}/session-files.ts`,
    find: 'if (host.fsync) await data.datasync();',
    replace: '',
  },
  {
    name: 'the record of a slice is not forced',
    file: `${files}/session-files.ts`,
    find: 'if (host.fsync) await journal.sync();',
    replace: '',
  },
  {
    name: 'a file of one request is not forced',
    file: `${files}/spool.ts`,
    find: 'if (fsync) await file.datasync();',
    replace: '',
  },
  {
    name: 'the name of an object is not forced',
    file: `${files}/directories.ts`,
    find: 'if (!fsync) return;\n      const unsure',
    replace: 'return;\n      const unsure',
  },
  {
    name: 'a session that was just made is not forced',
    file: `${files}/file-store.ts`,
    find: 'await syncDirectories(dir, dirname(dir));',
    replace: '',
  },
  {
    name: 'a slice that is stored may be written to once more',
    file: `${files}/slice-writers.ts`,
    find: 'return ledger.stored.has(index) ? compareWithStored(index, release) : writeAside(index, release);',
    replace: 'return writeAside(index, release);',
    also: { find: 'if (!lease) return compare();', replace: 'if (!lease) return copyInPlace();' },
  },
  {
    name: 'half a line in the journal swallows the next one',
    file: `${files}/journal.ts`,
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is one in the source
    find: "`${tail.isTorn ? '!\\n' : ''}${line}\\n`",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is one in the source
    replace: '`${line}\\n`',
  },
  {
    name: 'a write that was short counts as whole',
    file: `${files}/write-queue.ts`,
    find: 'while (rest.length > 0) {',
    replace: 'if (rest.length > 0) {',
  },
  {
    name: 'the spool is left to itself',
    file: `${files}/file-store.ts`,
    find: 'await sweepSpool((await ready()).layout);',
    replace: '',
    also: { find: 'await sweepSpool(layout).catch(() => {});', replace: '' },
  },
  {
    name: 'a file of a request that failed stays open',
    file: `${files}/spool.ts`,
    find: 'await close().catch(() => {});\n      await rm',
    replace: 'await rm',
  },
  {
    name: 'the object of a finished upload does not say whose it is',
    file: `${files}/session.ts`,
    find: 'host.place(path, { sha, attributes, session: meta.id }, overwrite)',
    replace: 'host.place(path, { sha, attributes }, overwrite)',
  },
  {
    name: 'a finished upload keeps its session',
    file: `${files}/session.ts`,
    find: '    await endAnyway();\n    return info;',
    replace: '    return info;',
  },
  {
    name: 'labels are written over instead of replaced',
    file: `${files}/json-file.ts`,
    find: 'await writeFile(temporaryPath, JSON.stringify(value), { flush: fsync });\n    if (mayReplace && !(await mayReplace())) {\n      await rm(temporaryPath, { force: true });\n      return false;\n    }\n    await rename(temporaryPath, path);',
    replace: 'await writeFile(path, JSON.stringify(value), { flush: fsync });',
  },
];

/** Of the store that keeps everything behind asynchronous calls. @type {Mutant[]} */
export const cloudStore = [
  {
    name: 'an object is replaced that may not be',
    file: cloud,
    find: 'return there && !overwrite ? there : mine;',
    replace: 'return mine;',
    also: { find: "if (before && !overwrite) throw new StoreError('exists');", replace: '' },
  },
  {
    name: 'an object is put together while slices are missing',
    file: cloud,
    find: "if (stored.size !== sliceCount) throw new StoreError('incomplete');",
    replace: '',
  },
  {
    name: 'slices are put together in the order of their names',
    file: cloud,
    find: '.sort((a, b) => a - b)',
    replace: '.sort()',
  },
  {
    name: 'a slice is replaced by what comes later',
    file: cloud,
    find: '(there) => there ?? mine);\n            // Who ends',
    replace: '() => mine);\n            // Who ends',
  },
  {
    name: 'ending one session ends another that has taken its place',
    file: cloud,
    find: '(there && factsOf<SessionRecord>(there).id === id ? undefined : there)',
    replace: '(there ? undefined : there)',
  },
  {
    name: 'two sessions share a path',
    file: cloud,
    find: 'await cloud.update(key, (there) => there ?? mine);\n      const session',
    replace: 'await cloud.update(key, () => mine);\n      const session',
  },
];

/** Of the server in front of them. @type {Mutant[]} */
export const server = [
  {
    name: 'the MD5 of a slice is not looked at',
    file: 'packages/server/src/content/incoming-slice.ts',
    find: 'await writer?.commit({ md5: datamd5, atMs: nowMs })',
    replace: 'await writer?.commit({ md5: undefined, atMs: nowMs })',
  },
  {
    name: 'the SHA-1 of a whole file is not looked at',
    file: 'packages/server/src/operations/upload.ts',
    find: 'if (sha !== undefined && sha !== actual)',
    replace: 'if (false)',
  },
  {
    name: 'any unfinished upload at the path is taken for the same',
    file: 'packages/server/src/operations/init.ts',
    find: 'if (session.sizeBytes !== init.sizeBytes || init.sha === undefined || session.sha !== init.sha) {',
    replace: 'if (false) {',
  },
  {
    name: 'a finish that is asked again says that the upload is gone',
    file: 'packages/server/src/operations/finish.ts',
    find: 'if (await isFinished(exchange, id)) return exchange.urls;\n    throw',
    replace: 'throw',
  },
  {
    name: 'a slice that was sent again after finish is refused',
    file: 'packages/server/src/content/incoming-slice.ts',
    find: 'return slice ?? receiveRepeated(exchange, id, offset);',
    replace: "if (!slice) throw new ProtocolError('badParameter');\n  return slice;",
  },
  {
    name: 'a session is good for any path',
    file: 'packages/server/src/sessions.ts',
    find: 'if (!session || lockKey(session.target) !== lockKey(exchange.target)) return undefined;',
    replace: 'if (!session) return undefined;',
  },
  {
    name: 'an upload in one request that is sent again is told that something is in its way',
    file: 'packages/server/src/operations/upload.ts',
    find: 'if (!(await isOwnDoing(exchange, { sha: actual, sizeBytes }, error))) throw error;',
    replace: 'throw error;',
  },
  {
    name: 'sessions that nobody comes back to stay for ever',
    file: 'packages/server/src/sweeper.ts',
    find: 'await dropIfStale(session).catch(() => {});',
    replace: '',
  },
  {
    name: 'what a request has set aside is kept after it',
    file: 'packages/server/src/answer.ts',
    find: 'await abortContent(content);',
    replace: '',
  },
  {
    name: 'a list leaves out the last slice',
    file: 'packages/server/src/operations/list-slices.ts',
    find: 'for (let index = 0; index < sliceCount; index++) {',
    replace: 'for (let index = 0; index < sliceCount - 1; index++) {',
  },
  {
    name: 'discarding a session removes the object at the path',
    file: 'packages/server/src/operations/delete.ts',
    find: "if (fields.has('session')) {",
    replace: "if (fields.has('session') && !(await store.deleteObject(target))) {",
  },
  {
    name: 'content that comes in several pieces is put together in another order',
    file: 'packages/server/src/http/body.ts',
    find: 'waiting.push(chunk);\n        waitingBytes',
    replace: 'waiting.unshift(chunk);\n        waitingBytes',
  },
  {
    name: 'a boundary that is cut in two is taken for content',
    file: 'packages/server/src/form/multipart.ts',
    find: 'const contentEnd = at < 0 ? delimiterStart(rest, delimiter) : at;',
    replace: 'const contentEnd = at < 0 ? rest.length : at;',
  },
];
