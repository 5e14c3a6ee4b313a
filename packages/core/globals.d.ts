// The web-standard globals that every supported runtime has, and only what this package uses of them. Kept out of the
// published types: there, the same names resolve to the consumer's own DOM or Node.js declarations.

interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: unknown;
  throwIfAborted(): void;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean; signal?: AbortSignal }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

interface AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}
declare const AbortController: { new (): AbortController };

interface URL {
  readonly href: string;
  readonly host: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly search: string;
  readonly hash: string;
  readonly username: string;
  readonly password: string;
}
declare const URL: { new (input: string): URL };

declare const TextEncoder: { new (): { encode(text: string): Uint8Array<ArrayBuffer> } };
declare const TextDecoder: { new (): { decode(bytes: Uint8Array): string } };
declare function btoa(binary: string): string;
declare function atob(base64: string): string;
interface Timer {
  readonly brand: unique symbol;
}
declare function setTimeout(callback: () => void, delayMs: number): Timer;
declare function clearTimeout(timer: Timer | undefined): void;

interface CryptoKey {
  readonly type: string;
}

declare const performance: { now(): number };

declare const crypto: {
  readonly subtle: {
    importKey(
      format: 'raw',
      key: Uint8Array<ArrayBuffer>,
      algorithm: { name: 'HMAC'; hash: 'SHA-1' | 'SHA-256' },
      extractable: boolean,
      usages: readonly 'sign'[],
    ): Promise<CryptoKey>;
    sign(algorithm: 'HMAC', key: CryptoKey, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
    digest(algorithm: 'SHA-1' | 'SHA-256', data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
  };
};

interface Response {
  readonly ok: boolean;
  readonly status: number;
  readonly type: string;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}
interface RequestInit {
  method?: string;
  headers: Record<string, string>;
  body?: string;
  credentials?: 'omit' | 'same-origin' | 'include';
  redirect?: 'manual';
  signal: AbortSignal;
}
interface Request {
  readonly url: string;
}
declare const Request: { new (url: string, init?: RequestInit): Request };
declare function fetch(url: string, init?: RequestInit): Promise<Response>;
