// @ts-check
/** What each ratio should reach: a lower bound for speeds, an upper one for costs. */
export const TARGETS = /** @type {Record<string, string>} */ ({
  noneVsRaw: '>= 0.85',
  md5VsRaw: '>= 0.6',
  sha1VsRaw: '>= 0.35',
  noneCpuVsRaw: '<= 1.25',
  noneVsQcloudV4: '>= 6',
  sha1VsQcloudV4: '>= 3',
  noneCpuVsQcloudV4: '<= 0.25',
  noneVsBestPeer: '> 1',
  serverVsPlain: '>= 0.6',
  serverSha1VsPlain: '>= 0.4',
  downloadVsLoop: '>= 0.8',
  downloadUncheckedVsLoop: '>= 0.8',
  farVsIdeal: '<= 1.15',
  farVsBestFixed: '<= 1.1',
  stallsVsBestFixed: '<= 1.1',
  browserVsCosJsV4: '>= 4',
  planMicrosPerSlice1TiB: '<= 10',
  stateMiBPerMillionSlices: '<= 8',
  resumeMillionSlicesS: '<= 1',
});
