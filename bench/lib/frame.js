// @ts-check
/**
 * Frames one slice request's body as ours and the vendor's clients do.
 *
 * @param {Record<string, string>} fields
 * @param {number} [contentBytes] length of `filecontent`; without it there is none
 */
export function frame(fields, contentBytes) {
  const boundary = 'bench-0123456789abcdef0123456789abcdef';
  let head = '';
  for (const [name, value] of Object.entries(fields)) {
    head += `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  }
  if (contentBytes !== undefined) head += `--${boundary}\r\nContent-Disposition: form-data; name="filecontent"\r\n\r\n`;
  const tail = `${contentBytes === undefined ? '' : '\r\n'}--${boundary}--\r\n`;
  return {
    head: Buffer.from(head),
    tail: Buffer.from(tail),
    contentType: `multipart/form-data; boundary=${boundary}`,
    contentLength: Buffer.byteLength(head) + (contentBytes ?? 0) + tail.length,
  };
}
