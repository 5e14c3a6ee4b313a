/** Types that a browser may show where it stands; everything else (HTML and SVG above all) is offered for saving. */
const INLINE_TYPES: ReadonlyMap<string, string> = new Map(
  Object.entries({
    avif: 'image/avif',
    gif: 'image/gif',
    jpeg: 'image/jpeg',
    jpg: 'image/jpeg',
    json: 'application/json',
    m4a: 'audio/mp4',
    mp3: 'audio/mpeg',
    mp4: 'video/mp4',
    ogg: 'audio/ogg',
    pdf: 'application/pdf',
    png: 'image/png',
    txt: 'text/plain; charset=utf-8',
    wav: 'audio/wav',
    webm: 'video/webm',
    webp: 'image/webp',
  }),
);

export interface ContentHeaders {
  readonly 'Content-Type': string;
  readonly 'Content-Disposition': string;
}

/** How a file of this path is presented. */
export function contentHeaders(path: string): ContentHeaders {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const inlineType = INLINE_TYPES.get(/\.(\w+)$/.exec(name)?.[1]?.toLowerCase() ?? '');
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16)}`);
  return {
    'Content-Type': inlineType ?? 'application/octet-stream',
    'Content-Disposition': `${inlineType ? 'inline' : 'attachment'}; filename*=UTF-8''${encoded}`,
  };
}
