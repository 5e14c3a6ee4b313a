/** An element with text, or with others. Without white space between them: some servers limit bodies to 1 MB. */
export function xmlElement(name: string, content: string | readonly string[]): string {
  return `<${name}>${typeof content === 'string' ? escapeXml(content) : content.join('')}</${name}>`;
}

/** What XML has no characters for is written as references, which servers that have such keys read. */
function escapeXml(text: string): string {
  return text.replace(/[&<>\p{Cc}]/gu, (mark) => ESCAPES[mark] ?? `&#${mark.charCodeAt(0)};`);
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;' };
