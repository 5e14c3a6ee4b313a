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

const TOKEN =
  /<!\[CDATA\[([\s\S]*?)\]\]>|<\?[\s\S]*?\?>|<!--[\s\S]*?-->|<\/[^>]*>|<(?:[\w.-]+:)?([\w.-]+)(?:\s[^>]*?)?(\/?)>|([^<]+)/g;
const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** The root of a document as S3 stores write them; undefined when it is none, or not whole. */
export function parseXml(text: string): XmlElement | undefined {
  const top: Growing = { name: '', text: '', children: [] };
  const open = [top];
  for (const [token, cdata, name, isEmpty, words] of text.matchAll(TOKEN)) {
    const parent = open.at(-1) as Growing;
    if (cdata !== undefined) parent.text += cdata;
    else if (words !== undefined) parent.text += decodeEntities(words);
    else if (name !== undefined) {
      const element: Growing = { name, text: '', children: [] };
      parent.children.push(element);
      if (isEmpty === '') open.push(element);
    } else if (token.startsWith('</')) {
      if (open.length === 1) return undefined;
      open.pop();
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
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    return ENTITIES[name] ?? whole;
  });
}
