/** Where an object is. */
export interface ObjectLocation {
  readonly accessUrl: string;
  readonly sourceUrl: string;
  readonly url: string;
  readonly resourcePath: string;
}

/** Nothing at the path. */
export interface Absent {
  readonly kind: 'absent';
}
