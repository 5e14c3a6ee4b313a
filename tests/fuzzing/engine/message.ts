/** An HTTP message as an input has it: a first line, headers, an empty line, a body. Lines may end as they like. */
export interface Message {
  readonly start: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

const EMPTY_LINES = ['\r\n\r\n', '\n\n'].map((lines) => Buffer.from(lines));

export function readMessage(input: Buffer): Message {
  const [head, body] = splitHead(input);
  const [start = '', ...lines] = head.toString('latin1').split(/\r?\n/);
  const headers = lines.flatMap((line) => {
    const at = line.indexOf(':');
    return at > 0 ? [[line.slice(0, at).trim(), line.slice(at + 1).trim()] as const] : [];
  });
  return { start, headers, body };
}

function splitHead(input: Buffer): [head: Buffer, body: Buffer] {
  let best: [Buffer, Buffer] = [input, Buffer.alloc(0)];
  for (const lines of EMPTY_LINES) {
    const at = input.indexOf(lines);
    if (at >= 0 && at < best[0].length) best = [input.subarray(0, at), input.subarray(at + lines.length)];
  }
  return best;
}

/** Cuts an input where it says so by itself, so that one can stand for several messages. */
export function splitAt(input: Buffer, mark: string): Buffer[] {
  const pieces: Buffer[] = [];
  let from = 0;
  for (let at = input.indexOf(mark); at >= 0; at = input.indexOf(mark, from)) {
    pieces.push(input.subarray(from, at));
    from = at + mark.length;
  }
  return [...pieces, input.subarray(from)];
}
