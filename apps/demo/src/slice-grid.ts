import { SLICE_IN_FLIGHT, SLICE_RESUMED, SLICE_RETRYING, SLICE_STORED, SLICE_WAITING } from '@cos-slice/browser';

/** Where the cells of a map go. Lengths in CSS pixels. */
export interface Grid {
  readonly columns: number;
  /** Width and height of a cell, its gap included. */
  readonly pitch: number;
  readonly gap: number;
  /** Slices in a cell. */
  readonly perCell: number;
}

const LARGEST_PITCH = 32;
const SMALLEST_PITCH = 6;

/** The largest cells with which everything fits; slices share cells when even the smallest are too many. */
export function layOut(slices: number, width: number, height: number): Grid {
  const perCell = Math.max(1, Math.ceil(slices / capacity(SMALLEST_PITCH, width, height)));
  const cells = Math.ceil(slices / perCell);
  let pitch = LARGEST_PITCH;
  while (pitch > SMALLEST_PITCH && capacity(pitch, width, height) < cells) pitch -= 1;
  return { columns: columnsOf(pitch, width), pitch, gap: pitch >= 10 ? 2 : 1, perCell };
}

function columnsOf(pitch: number, width: number): number {
  return Math.max(1, Math.floor(width / pitch));
}

function capacity(pitch: number, width: number, height: number): number {
  return columnsOf(pitch, width) * Math.max(1, Math.floor(height / pitch));
}

/** How many slices are in each state; index: `SLICE_*`. */
export type Tally = readonly number[];

const STATES = 1 + Math.max(SLICE_WAITING, SLICE_IN_FLIGHT, SLICE_STORED, SLICE_RETRYING, SLICE_RESUMED);

export function tally(map: Uint8Array, from = 0, to: number = map.length): Tally {
  const counts = new Array<number>(STATES).fill(0);
  for (let index = from; index < to; index += 1) {
    const state = map[index] ?? SLICE_WAITING;
    counts[state] = (counts[state] ?? 0) + 1;
  }
  return counts;
}
