import { SLICE_IN_FLIGHT, SLICE_RESUMED, SLICE_RETRYING, SLICE_STORED, SLICE_WAITING } from '@cos-slice/browser';
import { type Grid, layOut, tally } from './slice-grid.ts';

/** Colours by `SLICE_*`, from the style sheet, so that they follow the scheme. */
type Palette = readonly string[];

const VARIABLES: Readonly<Record<number, string>> = {
  [SLICE_WAITING]: '--waiting',
  [SLICE_IN_FLIGHT]: '--in-flight',
  [SLICE_STORED]: '--stored',
  [SLICE_RETRYING]: '--retrying',
  [SLICE_RESUMED]: '--resumed',
};

/** A canvas that shows what became of each slice. */
export interface SliceMap {
  readonly canvas: HTMLCanvasElement;
  /** Slices in a cell, as last drawn. */
  readonly perCell: number;
  draw(map: Uint8Array): void;
}

export function createSliceMap(): SliceMap {
  const canvas = document.createElement('canvas');
  canvas.setAttribute('role', 'img');
  let grid: Grid = layOut(1, 1, 1);
  return {
    canvas,
    get perCell() {
      return grid.perCell;
    },
    draw(map) {
      const { width, height, context } = fit(canvas);
      if (!context || width === 0) return;
      grid = layOut(map.length, width, height);
      const palette = readPalette(canvas);
      context.clearRect(0, 0, width, height);
      const cells = Math.ceil(map.length / grid.perCell);
      for (let cell = 0; cell < cells; cell += 1) {
        const x = (cell % grid.columns) * grid.pitch;
        const y = Math.floor(cell / grid.columns) * grid.pitch;
        if (grid.perCell === 1) drawSlice(context, x, y, grid, map[cell] ?? SLICE_WAITING, palette);
        else drawGroup(context, x, y, grid, map, cell, palette);
      }
    },
  };
}

/** Sizes the canvas to its box in device pixels; draws in CSS pixels. */
export function fit(canvas: HTMLCanvasElement): {
  width: number;
  height: number;
  context: CanvasRenderingContext2D | null;
} {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext('2d');
  context?.setTransform(ratio, 0, 0, ratio, 0, 0);
  return { width, height, context };
}

function readPalette(canvas: HTMLCanvasElement): Palette {
  const style = getComputedStyle(canvas);
  return Array.from({ length: Object.keys(VARIABLES).length }, (_, state) =>
    style.getPropertyValue(VARIABLES[state] ?? ''),
  );
}

/** States differ in shape as well as in colour: not everybody sees colours alike. */
function drawSlice(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  { pitch, gap }: Grid,
  state: number,
  palette: Palette,
): void {
  const side = pitch - gap;
  const radius = Math.min(4, side / 4);
  context.fillStyle = palette[state] ?? '';
  context.beginPath();
  context.roundRect(x, y, side, side, radius);
  context.fill();
  const hole = side * (state === SLICE_RETRYING ? 0.36 : 0.44);
  if (state === SLICE_RETRYING) context.clearRect(x + (side - hole) / 2, y + (side - hole) / 2, hole, hole);
  if (state === SLICE_RESUMED || state === SLICE_IN_FLIGHT) {
    context.fillStyle = palette[SLICE_WAITING] ?? '';
    context.globalAlpha = state === SLICE_IN_FLIGHT ? 0.9 : 0.55;
    const bar = Math.max(1, side * 0.18);
    if (state === SLICE_RESUMED) context.fillRect(x + side * 0.22, y + (side - bar) / 2, side * 0.56, bar);
    else context.fillRect(x + (side - hole) / 2, y + (side - hole) / 2, hole, hole);
    context.globalAlpha = 1;
  }
}

/**
 * Several slices in a cell: stored ones fill it from below, and trouble or traffic marks what remains. In shapes of their own here
 * too, at any height: resumed ones are striped, traffic has a slot, and of a cell with trouble only the middle is left.
 */
function drawGroup(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  { pitch, gap, perCell }: Grid,
  map: Uint8Array,
  cell: number,
  palette: Palette,
): void {
  const side = pitch - gap;
  const from = cell * perCell;
  const to = Math.min(map.length, from + perCell);
  const counts = tally(map, from, to);
  const fill = (state: number, left: number, top: number, width: number, height: number): void => {
    context.fillStyle = palette[state] ?? '';
    context.fillRect(left, top, width, height);
  };
  let top = y + side;
  for (const state of [SLICE_RESUMED, SLICE_STORED]) {
    const tall = (side * (counts[state] ?? 0)) / (to - from);
    top -= tall;
    fill(state, x, top, side, tall);
    if (state === SLICE_RESUMED) for (let at = y + side - 2; at > top; at -= 2) fill(SLICE_WAITING, x, at, side, 0.6);
  }
  const third = side / 3;
  if (counts[SLICE_RETRYING]) fill(SLICE_RETRYING, x + third, y, third, top - y);
  else {
    fill(counts[SLICE_IN_FLIGHT] ? SLICE_IN_FLIGHT : SLICE_WAITING, x, y, side, top - y);
    if (counts[SLICE_IN_FLIGHT]) fill(SLICE_WAITING, x + third, y, third, top - y);
  }
}
