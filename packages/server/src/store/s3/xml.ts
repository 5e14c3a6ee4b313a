/** An element without its attributes and its namespace's prefix. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly children: readonly XmlElement[];
}

interface Growing extends XmlElement {
  text: string;
  children: Growing[];
}

const ENTITIES: ReadonlyMap<string, string> = new Map(
  Object.entries({ lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" }),
);

/** What begins a piece of markup, what ends it, and what stands for the rest of it. */
const MARKUP = [
  ['<![CDATA[', ']]>', 'text'],
  ['<?', '?>', 'nothing'],
  ['<!--', '-->', 'nothing'],
  ['</', '>', 'end'],
  ['<', '>', 'start'],
] as const;
const START = /^(?:[\w.-]+:)?([\w.-]+)(?=[\s/]|$)/;

/** The root of a document as S3 stores write them, read in one pass; undefined when it is none, or not whole. */
export function parseXml(text: string): XmlElement | undefined {
  const top: Growing = { name: '', text: '', children: [] };
  const open = [top];
  for (let at = 0; at < text.length; ) {
    const parent = open.at(-1) as Growing;
    const start = text.indexOf('<', at);
    parent.text += decodeEntities(text.slice(at, start < 0 ? text.length : start));
    if (start < 0) break;
    const [begin, end, kind] = MARKUP.find(([first]) => text.startsWith(first, start)) ?? MARKUP[4];
    const from = start + begin.length;
    const to = text.indexOf(end, from);
    if (to < 0) return undefined;
    at = to + end.length;
    const inner = text.slice(from, to);
    if (kind === 'text') parent.text += inner;
    else if (kind === 'end') {
      if (open.length === 1) return undefined;
      open.pop();
    } else if (kind === 'start') {
      const name = START.exec(inner)?.[1];
      if (name === undefined) continue;
      const element: Growing = { name, text: '', children: [] };
      parent.children.push(element);
      if (!inner.endsWith('/')) open.push(element);
    }
  }
  return open.length === 1 ? top.children[0] : undefined;
}

export function childrenOf(element: XmlElement | undefined, name: string): readonly XmlElement[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}

/** The text of the child with that name; undefined when there is none. */
export function textOf(element: XmlElement | undefined, name: string): string | undefined {
  return element?.children.find((child) => child.name === name)?.text.trim();
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

function decodeEntities(text: string): string {
  return text.replace(/&(?:#(\d+)|#x([\da-f]+)|(\w+));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES.get(name) ?? whole;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
}
