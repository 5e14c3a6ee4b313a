import type { ObjectLabels } from '../store.ts';
import type { FileFacts } from './revision.d.ts';

/** An object to be put in place. All paths are absolute. */
export interface SmallObject {
  readonly path: string;
  /** Where its content is written first. */
  readonly spoolPath: string;
  readonly labelsPath: string;
  /** Where it is noted that it has this content, if it is. */
  readonly notePath: string | undefined;
  readonly labels: ObjectLabels & { readonly path: string };
  readonly overwrite: boolean;
}

/** What has become of it; without facts nothing has, and `place` has to see to it. */
export interface SmallPlaced {
  readonly facts?: FileFacts;
  readonly isNoted?: boolean;
  /** Whether no object of this bucket can be put in place like this. */
  readonly isUnfit?: boolean;
}

export function placeSmall(object: SmallObject, content: Uint8Array): SmallPlaced;
