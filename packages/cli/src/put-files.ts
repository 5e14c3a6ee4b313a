import {
  type ActiveFile,
  type Amount,
  type Client,
  type DirectoryOptions,
  type DirectoryProgress,
  type DirectoryTransfer,
  isCosSliceError,
  type Upload,
  type UploadToOptions,
} from '@cos-slice/node';

/** A file that was named, and where it goes. */
export interface NamedFile {
  readonly file: string;
  readonly path: string;
  readonly sizeBytes: number;
}

export interface PutFilesOptions extends Pick<DirectoryOptions, 'signal' | 'onEntry' | 'onFailure' | 'dryRun'> {
  readonly upload: UploadToOptions;
}

const AT_ONCE = 16;

/** Uploads several files, as a directory is uploaded: so many at once, with one state for all of them. */
export function putFiles(
  client: Client,
  files: readonly NamedFile[],
  { signal, onEntry, onFailure = 'stop', dryRun = false, upload }: PutFilesOptions,
): Pick<DirectoryTransfer, 'done' | 'state'> & { fileOf(path: string): string } {
  const sources = new Map(files.map(({ path, file }) => [path, file]));
  const stop = new AbortController();
  const ends = signal ? AbortSignal.any([signal, stop.signal]) : stop.signal;
  const found: Amount = { files: files.length, bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0) };
  const active = new Map<NamedFile, Upload>();
  const failures: { path: string; error: Error }[] = [];
  const amounts = { transferred: { files: 0, bytes: 0 }, skipped: { files: 0, bytes: 0 } };
  let movedBytes = 0;
  let doneBytes = 0;
  let phase: DirectoryProgress['phase'] = 'running';
  /** What has failed. */
  let resumable = true;

  const look = (): DirectoryProgress => {
    const lines: ActiveFile[] = [];
    let underWay = { doneBytes: 0, movedBytes: 0 };
    for (const [{ path, sizeBytes }, { state }] of active) {
      const { fraction, confirmedBytes, resumedBytes } = state.progress;
      lines.push({ path, sizeBytes, doneBytes: fraction * sizeBytes, fraction });
      underWay = {
        doneBytes: underWay.doneBytes + fraction * sizeBytes,
        movedBytes: underWay.movedBytes + Math.max(0, confirmedBytes - resumedBytes),
      };
    }
    return {
      phase,
      paused: false,
      found,
      isCounted: true,
      ...amounts,
      failed: failures.length,
      problems: 0,
      created: 0,
      deleted: 0,
      doneBytes: doneBytes + underWay.doneBytes,
      movedBytes: movedBytes + underWay.movedBytes,
      resumable: resumable && [...active.values()].every(({ state }) => state.resumable),
      fraction: undefined,
      bytesPerSecond: 0,
      etaMs: undefined,
      active: lines,
    };
  };

  const put = async (one: NamedFile): Promise<void> => {
    const { file, path, sizeBytes } = one;
    try {
      if (dryRun) {
        const isThere = await isFileThere(client, path, ends);
        if (isThere && upload.overwrite === 'skip') return through(one, 'skipped');
        return through(one, 'transferred');
      }
      const running = client.upload(file, path, { ...upload, signal: ends });
      active.set(one, running);
      const { skipped, resumedBytes, sentBytes, path: at } = await running.done;
      movedBytes += sentBytes;
      // It may have got another name.
      sources.set(at, file);
      through({ ...one, path: at }, skipped ? 'skipped' : 'transferred', resumedBytes);
    } catch (cause) {
      // What a changed file has left behind, the next run removes.
      if (!isCosSliceError(cause, 'source-changed')) resumable &&= active.get(one)?.state.resumable ?? true;
      if (ends.aborted) return;
      const error = cause instanceof Error ? cause : new Error(String(cause));
      failures.push({ path, error });
      doneBytes += sizeBytes;
      onEntry?.({ type: 'failed', path, error });
      if (onFailure === 'stop') stop.abort(error);
    } finally {
      active.delete(one);
    }
  };
  const through = ({ path, sizeBytes }: NamedFile, type: 'transferred' | 'skipped', resumedBytes = 0): void => {
    amounts[type].files += 1;
    amounts[type].bytes += sizeBytes;
    doneBytes += sizeBytes;
    onEntry?.(type === 'skipped' ? { type, path, sizeBytes } : { type, path, sizeBytes, resumedBytes });
  };

  const run = async (): Promise<Awaited<DirectoryTransfer['done']>> => {
    const waiting = files.values();
    const worker = async (): Promise<void> => {
      for (const one of waiting) {
        if (ends.aborted) return;
        await put(one);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    phase = ends.aborted ? 'failed' : 'done';
    if (ends.aborted) throw ends.reason;
    return { ...amounts, created: 0, deleted: 0, problems: 0, failed: failures.length, failures, movedBytes };
  };
  const done = run();
  done.catch(() => {});
  return {
    done,
    fileOf: (path) => sources.get(path) ?? path,
    get state() {
      return look();
    },
  };
}

async function isFileThere(client: Client, path: string, signal: AbortSignal): Promise<boolean> {
  return client.stat(path, { signal }).then(
    () => true,
    (error) => {
      if (isCosSliceError(error, 'not-found')) return false;
      throw error;
    },
  );
}
