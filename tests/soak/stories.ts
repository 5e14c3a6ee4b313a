/** What has happened to each upload, told when something is wrong with it. */
export interface Stories {
  tell(path: string, text: string, atMs?: number): void;
  /** What happened to all of them. */
  tellAll(text: string): void;
  forget(path: string): void;
  of(path: string): string;
}

export function createStories(): Stories {
  const startedAtMs = Date.now();
  const stories = new Map<string, [atMs: number, text: string][]>();
  const common: [atMs: number, text: string][] = [];
  return {
    tell(path, text, atMs = Date.now()) {
      const story = stories.get(path) ?? [];
      story.push([atMs, text]);
      stories.set(path, story);
    },
    tellAll(text) {
      common.push([Date.now(), text]);
    },
    forget(path) {
      stories.delete(path);
    },
    of(path) {
      const story = stories.get(path) ?? [];
      const sinceMs = story[0]?.[0] ?? 0;
      return [...story, ...common.filter(([atMs]) => atMs >= sinceMs)]
        .sort(([one], [other]) => one - other)
        .map(([atMs, text]) => `${((atMs - startedAtMs) / 1000).toFixed(3).padStart(9)} ${text}`)
        .join('\n');
    },
  };
}
