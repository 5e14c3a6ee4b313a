import { type ErrorCode, isCosSliceError } from '@cos-slice/core';
import type { Scenario, UploadPlan } from '../scenario.ts';

/** Why an upload is cancelled in a simulation. */
export const CANCELLED = new Error('cancelled by its user');

/** What is known of an upload that has failed. */
export interface Circumstances {
  readonly scenario: Scenario;
  readonly plan: UploadPlan;
  /** What it has met on the wire, and how often. */
  readonly troubles: ReadonlyMap<string, number>;
  /** Processes that have worked at it. */
  readonly runs: number;
  /** Uploads to the same path. */
  readonly rivals: number;
  readonly fileChanged: boolean;
  /** Something has been at the path. */
  readonly hasObject: boolean;
}

/** How many failures an upload has to have met before it may give up. */
const PATIENCE = 3;

/** Whether an upload may end like this: with the one error that says what happened, and not while another try would have helped. */
export function isRightOutcome(error: unknown, circumstances: Circumstances): boolean {
  const { scenario, plan, troubles, runs, rivals, fileChanged, hasObject } = circumstances;
  if (error === CANCELLED) return plan.interruptions.some(({ what }) => what === 'cancel');
  if (!isCosSliceError(error)) return false;
  const met = (...names: string[]): number => names.reduce((sum, name) => sum + (troubles.get(name) ?? 0), 0);
  const allTroubles = [...troubles.values()].reduce((sum, count) => sum + count, 0);
  const { clients, servers, events, sessionTtlMs } = scenario;
  const hasWrongClocks =
    servers.some(({ skewMs }) => skewMs !== 0) ||
    events.some(({ what }) => what === 'clock-jumps') ||
    clients.some(({ skewMs, lifetimeSec }) => skewMs !== 0 || lifetimeSec < 3600) ||
    plan.interruptions.some(({ what }) => what === 'clock-jumps');
  // Without hard links a session's data has no name of its own while another server puts it in place: it looks gone until then.
  const hidesSessions = servers.length > 1 && !scenario.disk.hasLinks && scenario.disk.stalling > 0;
  const losesSessions = sessionTtlMs < 3_600_000 || events.some(({ what }) => what === 'session-dropped');
  const isRight: Partial<Record<ErrorCode, () => boolean>> = {
    exists: () => !plan.overwrite && hasObject,
    // Whoever remembers what it has begun knows it again.
    conflict: () => rivals > 0 || (runs > 1 && (!plan.remembers || scenario.recordsFailing > 0 || fileChanged)),
    locked: () => rivals > 0 && plan.remembers,
    'source-changed': () => fileChanged,
    // Slices of a file that changes are refused, too, until there are no more attempts.
    network: () => allTroubles >= PATIENCE || fileChanged,
    // Disks that take their time make whole requests late.
    timeout: () => allTroubles >= PATIENCE || scenario.disk.stalling > 0 || scenario.disk.latencyMs > 10,
    'bad-reply': () => met('garbage', 'truncated', 'proxy-error', 'proxy-error-after') > 0 && allTroubles >= PATIENCE,
    unavailable: () => met('5xx') > 0 && allTroubles >= PATIENCE,
    'signing-failed': () => scenario.signerFailing > 0,
    'signature-expired': () => hasWrongClocks,
    // Whoever goes on with an upload of the same content may have damaged it, or changed its file.
    integrity: () => met('damaged') > 0 || fileChanged || (rivals > 0 && mayBeSpoilt(scenario)),
    'session-lost': () => losesSessions || hidesSessions || rivals > 0 || met('late', 'twice') > 0,
  };
  return isRight[error.code]?.() ?? false;
}

function mayBeSpoilt({ fates, clients }: Scenario): boolean {
  const uploads = clients.flatMap((client) => client.uploads);
  const changes = uploads.some(({ interruptions }) => interruptions.some(({ what }) => what === 'change-file'));
  return changes || (fates.damaged ?? 0) > 0;
}
