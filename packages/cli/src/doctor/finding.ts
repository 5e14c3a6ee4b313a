/** What a check has found. `message` is one line; where something is wrong, it says what to set. */
export interface Finding {
  readonly status: 'ok' | 'warn' | 'fail' | 'skip';
  readonly message: string;
}

export interface Check {
  readonly name: string;
  run(signal: AbortSignal): Promise<Finding>;
  /** What comes after it does not depend on it. */
  readonly isAside?: boolean;
}

export const ok = (message: string): Finding => ({ status: 'ok', message });
export const warn = (message: string): Finding => ({ status: 'warn', message });
export const fail = (message: string): Finding => ({ status: 'fail', message });
export const skip = (message: string): Finding => ({ status: 'skip', message });
