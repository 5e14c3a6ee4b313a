/** Bounds of the adaptive window, in requests. Equal: a fixed number. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}
