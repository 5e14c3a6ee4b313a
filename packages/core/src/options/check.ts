import { CosSliceError, type OptionIssue } from '../errors.ts';
import type { OptionRules, WholeName, WholeRule } from './table.ts';

/** What an option with members comes to: `attempts` and its like for `retry`. */
export type Members<P extends string> = {
  readonly [Name in WholeName as Name extends `${P}.${infer Rest}` ? Rest : never]: number;
};

/** Checks options one by one and remembers every issue. */
export interface Checker {
  readonly issues: OptionIssue[];
  check(option: string, valid: boolean, must: string, value: unknown): void;
  /** Undefined counts as not given, as everywhere. @returns what is given, or the default where that is not valid */
  whole(option: string, value: unknown, rule: WholeRule): number;
  choice<T>(option: string, value: unknown, allowed: readonly T[]): T;
  /** An object of whole numbers, for each of which there is a rule (`retry.attempts`), and of nothing else. */
  wholes<P extends string>(option: P, value: unknown, rules: OptionRules['wholes']): Members<P>;
  /** @throws CosSliceError `invalid-options` with every issue, when there is one */
  done(): void;
}

export function createChecker(): Checker {
  const issues: OptionIssue[] = [];
  const check: Checker['check'] = (option, valid, must, value) => {
    if (!valid) issues.push({ option, message: `must ${must}, got ${show(option, value)}` });
  };
  const whole: Checker['whole'] = (option, value, { default: fallback, min, max, step }) => {
    const valid =
      value === undefined || (typeof value === 'number' && value % step === 0 && value >= min && value <= max);
    check(option, valid, `be a ${step > 1 ? `multiple of ${step}` : 'whole number'} from ${min} to ${max}`, value);
    return valid ? ((value as number | undefined) ?? fallback) : fallback;
  };
  return {
    issues,
    check,
    whole,
    choice(option, value, allowed) {
      const chosen = allowed.find((one) => one === value);
      check(option, chosen !== undefined || value === undefined, `be ${allowed.join(' or ')}`, value);
      return chosen ?? (allowed[0] as (typeof allowed)[number]);
    },
    wholes<P extends string>(option: P, value: unknown, rules: OptionRules['wholes']) {
      const given = isPlainObject(value) ? value : {};
      check(option, value === undefined || isPlainObject(value), 'be an object', value);
      const start = `${option}.`;
      const members = Object.entries(rules).flatMap(([name, rule]) =>
        name.startsWith(start) ? [[name.slice(start.length), rule] as const] : [],
      );
      const names = members.map(([name]) => name);
      for (const name of Object.keys(given)) {
        check(start + name, names.includes(name), `not be given: there are ${names.join(', ')}`, given[name]);
      }
      const chosen = members.map(([name, rule]) => [name, whole(start + name, given[name], rule)]);
      return Object.fromEntries(chosen) as Members<P>;
    },
    done() {
      if (issues.length === 0) return;
      const text = issues.map(({ option, message }) => `${option} ${message}`).join('; ');
      throw new CosSliceError('invalid-options', `invalid options: ${text}`, { issues });
    },
  };
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A value in a message. Objects are not looked into: they may hold secrets, and text in place of a signer may be one. */
function show(option: string, value: unknown): string {
  if (typeof value === 'string')
    return option === 'signer' ? 'text' : JSON.stringify(withoutSecrets(value)).slice(0, 200);
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  return Array.isArray(value) ? 'a list' : 'an object';
}

/** URLs may have a password before the host, which may have anything in it, and a signature behind the path. */
function withoutSecrets(text: string): string {
  return text.replace(/.*@/s, '***@').replace(/([?#]).+/s, '$1***');
}
