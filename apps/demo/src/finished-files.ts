import type { UploadResult } from '@cos-slice/browser';
import { byId, element, setText } from './element.ts';
import { formatBytes } from './format.ts';
import type { Languages } from './language.ts';
import type { WireName } from './wire-choice.ts';

interface Finished {
  /** In the bucket: what the file is called there. */
  readonly path: string;
  readonly url: string;
  readonly sizeBytes: number;
  readonly sha1?: string | undefined;
  readonly instant: boolean;
  readonly resumedBytes: number;
  /** In the object store; absent: on the disk of the slice server. */
  readonly store?: 's3' | undefined;
  /** How the file there compares; absent until known. */
  readonly disk?: 'same' | 'differs' | 'unknown';
}

const KEPT_AS = 'cos-slice-demo-finished';
const MOST = 50;

export interface FinishedFiles {
  add(wire: WireName, sizeBytes: number, result: UploadResult): void;
}

/** The list of finished files, the latest last so that nothing moves for it; it survives a reload. */
export function createFinishedFiles(languages: Languages): FinishedFiles {
  const list = byId('finished');
  let files = readKept();
  const rows = new Map<Finished, HTMLElement>();

  const keep = (): void => {
    try {
      sessionStorage.setItem(KEPT_AS, JSON.stringify(files));
    } catch {
      // A list that is not kept is no reason to fail.
    }
  };
  /** Rows that are there stay the elements they are: one of them may hold the focus. */
  const show = (): void => {
    byId('done-hint').hidden = files.length > 0;
    for (const [file, root] of rows) {
      if (files.includes(file)) continue;
      root.remove();
      rows.delete(file);
    }
    for (const [at, file] of files.entries()) {
      const root = rows.get(file) ?? row(file, languages);
      rows.set(file, root);
      if (list.children[at] !== root) list.insertBefore(root, list.children[at] ?? null);
    }
  };

  async function compare(file: Finished): Promise<void> {
    const answer = await fetch(`/demo/${file.store ? 'store-' : ''}digest?path=${encodeURIComponent(file.path)}`)
      .then((response) => (response.ok ? response.json() : undefined))
      .catch(() => undefined);
    const sha1: string | undefined = answer?.sha1;
    const same = sha1 === (file.sha1 ?? sha1) && answer?.sizeBytes === file.sizeBytes;
    const disk = sha1 === undefined ? 'unknown' : same ? 'same' : 'differs';
    const compared: Finished = { ...file, sha1: file.sha1 ?? sha1, disk };
    files = files.map((one) => (one === file ? compared : one));
    const root = rows.get(file);
    if (root) {
      rows.delete(file);
      rows.set(compared, root);
      const [, ...facts] = row(compared, languages).children;
      for (const [at, fact] of facts.entries()) root.children[at + 1]?.replaceWith(fact);
      root.dataset.disk = disk;
    }
    keep();
    show();
  }

  languages.watch(() => {
    for (const root of rows.values()) root.remove();
    rows.clear();
    show();
    list.scrollTop = list.scrollHeight;
  });
  for (const file of files) if (!file.disk) void compare(file);
  return {
    add(wire, sizeBytes, { path, accessUrl, url, instant, resumedBytes, sha1 }) {
      const store = wire === 's3' ? wire : undefined;
      // Nobody may read in the store without a signature.
      const at = store ? `/demo/open?path=${encodeURIComponent(path)}` : accessUrl || url;
      const file: Finished = { path, url: at, sizeBytes, sha1, instant, resumedBytes, store };
      // Whoever looks at older ones is left alone.
      const isAtEnd = list.scrollTop + list.clientHeight > list.scrollHeight - 2;
      files = [...files, file].slice(-MOST);
      keep();
      show();
      if (isAtEnd) list.scrollTop = list.scrollHeight;
      void compare(file);
    },
  };
}

function row(file: Finished, { text }: Languages): HTMLElement {
  const link = element(
    'a',
    { href: file.url, target: '_blank', rel: 'noopener', 'aria-label': text('open', { name: file.path }) },
    file.path,
  );
  const head = element(
    'p',
    { class: 'finished-head' },
    link,
    element('span', { class: 'size' }, formatBytes(file.sizeBytes)),
  );
  if (file.instant) head.append(element('span', { class: 'badge instant' }, text('instant')));
  else if (file.resumedBytes > 0) {
    head.append(
      element('span', { class: 'badge resumed' }, text('resumedBadge', { size: formatBytes(file.resumedBytes) })),
    );
  }
  const digest = element(
    'p',
    { class: 'digest' },
    element('abbr', {}, 'SHA-1'),
    ' ',
    element('code', {}, file.sha1 ?? '…'),
  );
  const disk = element('p', { class: `disk ${file.disk ?? ''}` });
  const keys = { same: 'Same', differs: 'Differs', unknown: 'Unknown', checking: 'Checking' } as const;
  setText(disk, text(`${file.store ? 'object' : 'digest'}${keys[file.disk ?? 'checking']}`));
  return element('li', { 'data-disk': file.disk ?? 'checking' }, head, digest, disk);
}

function readKept(): Finished[] {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEPT_AS) ?? '[]');
    return Array.isArray(kept) ? kept : [];
  } catch {
    return [];
  }
}
