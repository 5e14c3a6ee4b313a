import { type TextKey, texts } from './texts.ts';

export type Language = keyof typeof texts;

const KEPT_AS = 'cos-slice-demo-language';

/** The page's language: what was chosen before, or what the browser prefers. */
export interface Languages {
  readonly current: Language;
  /** BCP 47, for dates and numbers. */
  readonly tag: string;
  /** A text, with `{name}` replaced. */
  text(key: TextKey, values?: Readonly<Record<string, string | number>>): string;
  set(language: Language): void;
  /** Called at once and at every change. */
  watch(listener: () => void): void;
}

export function createLanguages(): Languages {
  const listeners = new Set<() => void>();
  const kept = readKept();
  let current: Language = kept ?? (navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en');
  const languages: Languages = {
    get current() {
      return current;
    },
    get tag() {
      return current === 'zh' ? 'zh-CN' : 'en';
    },
    text(key, values = {}) {
      return texts[current][key].replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ''));
    },
    set(language) {
      current = language;
      try {
        localStorage.setItem(KEPT_AS, language);
      } catch {
        // Not kept, then.
      }
      for (const listener of listeners) listener();
    },
    watch(listener) {
      listeners.add(listener);
      listener();
    },
  };
  languages.watch(() => translatePage(languages));
  for (const button of document.querySelectorAll<HTMLElement>('[data-language]')) {
    button.addEventListener('click', () => languages.set(button.dataset.language as Language));
  }
  return languages;
}

function readKept(): Language | undefined {
  try {
    const kept = localStorage.getItem(KEPT_AS);
    return kept === 'en' || kept === 'zh' ? kept : undefined;
  } catch {
    return undefined;
  }
}

function translatePage({ current, tag, text }: Languages): void {
  document.documentElement.lang = tag;
  document.title = text('title');
  for (const node of document.querySelectorAll<HTMLElement>('[data-text]')) {
    node.textContent = text(node.dataset.text as TextKey);
  }
  for (const node of document.querySelectorAll<HTMLElement>('[data-label]')) {
    node.setAttribute('aria-label', text(node.dataset.label as TextKey));
  }
  for (const node of document.querySelectorAll<HTMLElement>('[data-language]')) {
    node.setAttribute('aria-pressed', String(node.dataset.language === current));
  }
}
