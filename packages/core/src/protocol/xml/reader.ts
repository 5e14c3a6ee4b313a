/** An element as the replies of the XML APIs have them: with text, or with elements. Attributes and name spaces do not count. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

interface Open {
  readonly name: string;
  text: string;
  readonly children: XmlElement[];
}

const MAX_DEPTH = 16;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/**
 * Reads a document, in one pass. `DOMParser` is missing in workers, and a whole parser is more than a page should load: this
 * knows elements, text, entities, CDATA, comments and declarations, and nothing that could refer to anything else.
 *
 * @returns undefined for what is not well-formed
 */
export function readXml(source: string): XmlElement | undefined {
  const stack: Open[] = [];
  let root: XmlElement | undefined;
  let at = source.startsWith('\uFEFF') ? 1 : 0;
  const add = (text: string): boolean => {
    const open = stack.at(-1);
    if (open) open.text += text;
    return open !== undefined || text.trim() === '';
  };
  const close = (open: Open): boolean => {
    const parent = stack.at(-1);
    if (parent) parent.children.push(open);
    else if (root) return false;
    else root = open;
    return true;
  };
  while (at < source.length) {
    const start = source.indexOf('<', at);
    if (!add(unescapeXml(source.slice(at, start < 0 ? undefined : start)))) return undefined;
    if (start < 0) break;
    const [end, skip] = endOf(source, start);
    if (end < 0) return undefined;
    const inner = source.slice(start + 1, end);
    at = end + skip;
    if (inner.startsWith('![CDATA[')) {
      if (stack.length === 0) return undefined;
      add(inner.slice(8));
    } else if (inner.startsWith('!')) {
      // A document type could define entities: nobody who speaks these protocols sends one.
      if (!inner.startsWith('!--')) return undefined;
    } else if (inner.startsWith('/')) {
      const open = stack.pop();
      if (open?.name !== localName(inner.slice(1).trimEnd()) || !close(open)) return undefined;
    } else if (!inner.startsWith('?')) {
      const name = localName(/^[^\s/<&]+/.exec(inner)?.[0] ?? '');
      if (name === '' || stack.length >= MAX_DEPTH) return undefined;
      const open = { name, text: '', children: [] };
      if (!inner.endsWith('/')) stack.push(open);
      else if (!close(open)) return undefined;
    }
  }
  return stack.length === 0 ? root : undefined;
}

/** Where markup ends, and how many characters its end takes. */
function endOf(source: string, start: number): readonly [end: number, skip: number] {
  if (source.startsWith('<!--', start)) return [source.indexOf('-->', start + 4), 3];
  if (source.startsWith('<![CDATA[', start)) return [source.indexOf(']]>', start + 9), 3];
  if (source.startsWith('<?', start)) return [source.indexOf('?>', start + 2), 2];
  return [source.indexOf('>', start), 1];
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

function unescapeXml(text: string): string {
  if (!text.includes('&')) return text;
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{2,4}));/gi, (all, decimal, hex, name) => {
    if (name) return ENTITIES[name] ?? all;
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return code <= 0x10ffff ? String.fromCodePoint(code) : all;
  });
}

/** The text of a child, without what surrounds it; empty when there is none. */
export function textOf(element: XmlElement | undefined, name: string): string {
  return childOf(element, name)?.text.trim() ?? '';
}

export function childOf(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return element?.children.find((child) => child.name === name);
}

export function childrenOf(element: XmlElement | undefined, name: string): XmlElement[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}
