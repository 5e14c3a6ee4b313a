// The web-standard globals that every supported runtime has, and only what this package uses of them. Kept out of the
// published types: there, the same names resolve to the consumer's own DOM or Node.js declarations.

interface AbortSignal {
  readonly aborted: boolean;
  readonly reason: any;
  throwIfAborted(): void;
  addEventListener(type: 'abort', listener: () => void, options?: { once?: boolean }): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

interface AbortController {
  readonly signal: AbortSignal;
  abort(reason?: unknown): void;
}
declare const AbortController: { new (): AbortController };

interface URL {
  readonly href: string;
  readonly protocol: string;
  readonly hostname: string;
  readonly search: string;
  readonly hash: string;
  readonly username: string;
  readonly password: string;
}
declare const URL: { new (input: string): URL };

declare const TextEncoder: { new (): { encode(text: string): Uint8Array<ArrayBuffer> } };
declare function btoa(binary: string): string;
declare function atob(base64: string): string;
declare function setTimeout(callback: () => void, delayMs: number): unknown;
declare function clearTimeout(timer: any): void;

declare const crypto: {
  readonly subtle: {
    importKey(
      format: 'raw',
      key: Uint8Array<ArrayBuffer>,
      algorithm: { name: 'HMAC'; hash: 'SHA-1' },
      extractable: boolean,
      usages: readonly 'sign'[],
    ): Promise<unknown>;
    sign(algorithm: 'HMAC', key: any, data: Uint8Array<ArrayBuffer>): Promise<ArrayBuffer>;
  };
};
