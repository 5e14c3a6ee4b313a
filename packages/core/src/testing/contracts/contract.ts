/**
 * One thing that every implementation of a port does. Run by any test framework:
 * `for (const c of resumeStoreContract) test(c.name, () => c.run(makeSubject))`.
 */
export interface ContractCase<MakeSubject> {
  readonly name: string;
  /** Rejects with an Error that says what was expected. */
  run(makeSubject: MakeSubject): Promise<void>;
}

/** Bytes that tell their place: byte i is `(i * 131 + (i >> 8) * 17 + 7) & 255`. */
export function patternBytes(sizeBytes: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(sizeBytes);
  for (let i = 0; i < sizeBytes; i += 1) bytes[i] = (i * 131 + (i >> 8) * 17 + 7) & 255;
  return bytes;
}

export function check(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Error(what);
}

/** Compares plain data. */
export function checkEqual(actual: unknown, expected: unknown, what: string): void {
  const [a, e] = [canonical(actual), canonical(expected)];
  check(a === e, `${what}: expected ${shorten(e)}, got ${shorten(a)}`);
}

export function checkBytes(actual: Uint8Array, expected: Uint8Array, what: string): void {
  check(actual.length === expected.length, `${what}: expected ${expected.length} bytes, got ${actual.length}`);
  const at = actual.findIndex((byte, index) => byte !== expected[index]);
  check(at < 0, `${what}: byte ${at} differs`);
}

/** @returns what the promise rejected with */
export async function rejection(promise: Promise<unknown>, what: string): Promise<unknown> {
  let reason: unknown;
  const fulfilled = await promise.then(
    () => true,
    (error) => {
      reason = error;
      return false;
    },
  );
  check(!fulfilled, `${what}: expected a rejection`);
  return reason;
}

export function pause(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
}

function canonical(value: unknown): string {
  return String(
    JSON.stringify(value, (_key, part) =>
      typeof part === 'object' && part !== null && !Array.isArray(part)
        ? Object.fromEntries(Object.entries(part).sort(([a], [b]) => (a < b ? -1 : 1)))
        : part,
    ),
  );
}

function shorten(text: string): string {
  return text.length > 300 ? `${text.slice(0, 300)}...` : text;
}
