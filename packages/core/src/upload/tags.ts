/** What finish must bring for each stored slice, on a wire that tags them: in pages, so that one more copies little. */
export type Tags = readonly (readonly (string | undefined)[] | undefined)[];

const PAGE = 256;

export function addTag(tags: Tags, index: number, tag: string): Tags {
  const at = Math.floor(index / PAGE);
  return Object.assign([...tags], { [at]: Object.assign([...(tags[at] ?? [])], { [index % PAGE]: tag }) });
}

export function tagAt(tags: Tags, index: number): string | undefined {
  return tags[Math.floor(index / PAGE)]?.[index % PAGE];
}

/** The tags of all slices, in order. */
export function listTags(tags: Tags): string[] {
  return tags.flatMap((page) => page?.map((tag) => tag ?? '') ?? []);
}
