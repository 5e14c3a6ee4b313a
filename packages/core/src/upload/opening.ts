import type { FileHash } from '../ports.ts';
import type { Hashing, Job, Recalled, Recalling, UploadState, Waiting } from './state.ts';
import { create, discard, initiate, list, recall } from './steps.ts';

export function onSourceOpened(
  state: Waiting,
  { sizeBytes, sliceSizeBytes }: Pick<Job, 'sizeBytes' | 'sliceSizeBytes'>,
): UploadState {
  return recall({ ...state, job: { ...state.job, sizeBytes, sliceSizeBytes } });
}

export function onRecalled(state: Recalling, recalled: Recalled): UploadState {
  const {
    session,
    sliceSizeBytes,
    sha,
    initCalled = false,
    finishing = false,
    foreignSession,
    checkpoint,
    proven,
    crc64,
  } = recalled;
  const known = { ...state, sha, initCalled, foreignSession, crc64 };
  if (session !== undefined) return list(known, { for: 'resume', session, sliceSizeBytes, finishing, proven });
  // Whoever finds its session in the way removes it; where nobody will, it goes now.
  if (foreignSession !== undefined && state.job.hidesSessions) return discard(known, foreignSession, true);
  return create(known, checkpoint);
}

export function onHashed(before: Hashing, content: FileHash): UploadState {
  const { inTheWay, sha } = before;
  // What an earlier run asked for is ours only if it was this content.
  const initCalled = before.initCalled && sha === content.sha;
  const state = { ...before, failures: 0, hash: content, sha: content.sha, initCalled };
  return inTheWay ? list(state, { for: 'claim', error: inTheWay }) : initiate(state);
}
