import type { UploadSnapshot } from '@cos-slice/core';
import type { World } from '../world/world.ts';

/** What an upload shows never falls, never exceeds its size, and is whole only when it is done. */
export function createProgressRules(
  world: World,
  name: string,
  maxInFlight: number,
): (snapshot: UploadSnapshot) => void {
  let fraction = 0;
  let confirmedBytes = 0;
  let isOver = false;
  return ({ phase, progress, sliceMap }) => {
    const complain = (what: string): void => world.complain(`${name}: ${what}`);
    const isOverNow = phase === 'done' || phase === 'failed' || phase === 'cancelled';
    if (isOver && !isOverNow) complain('it goes on after its end');
    if (progress.fraction < fraction || progress.confirmedBytes < confirmedBytes) complain('its progress falls');
    if (progress.fraction > 1 || progress.confirmedBytes > progress.sizeBytes)
      complain('its progress exceeds its size');
    if ((progress.fraction === 1) !== (phase === 'done'))
      complain(`its progress is ${progress.fraction} while ${phase}`);
    if (progress.slices.inFlight > maxInFlight) complain('more slices are in flight than may be');
    if (progress.slices.stored > progress.slices.total) complain('more slices are stored than there are');
    if (sliceMap().length !== progress.slices.total) complain('its map has another number of slices');
    ({ fraction, confirmedBytes } = progress);
    isOver = isOverNow;
  };
}
