import { CosSliceError, type OptionIssue } from '../errors.ts';
import type { WholeRule } from './table.ts';

/** Checks options one by one and remembers every issue. */
export interface Checker {
  readonly issues: OptionIssue[];
  check(option: string, valid: boolean, must: string, value: unknown): void;
  /** Undefined counts as not given, as everywhere. @returns what is given, or the default where that is not valid */
  whole(option: string, value: unknown, rule: WholeRule): number;
  choice<T>(option: string, value: unknown, allowed: readonly T[]): T;
  /** An object of whole numbers that has no other members. */
  wholes<K extends string>(option: string, value: unknown, rules: Readonly<Record<K, WholeRule>>): Record<K, number>;
  /** @throws CosSliceError `invalid-options` with every issue, when there is one */
  done(): void;
}

export function createChecker(): Checker {
  const issues: OptionIssue[] = [];
  const check: Checker['check'] = (option, valid, must, value) => {
    if (!valid) issues.push({ option, message: `must ${must}, got ${show(value)}` });
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
    wholes<K extends string>(option: string, value: unknown, rules: Readonly<Record<K, WholeRule>>) {
      const given = isPlainObject(value) ? value : {};
      check(option, value === undefined || isPlainObject(value), 'be an object', value);
      const names = Object.keys(rules) as K[];
      for (const name of Object.keys(given)) {
        check(`${option}.${name}`, name in rules, `not be given: there are ${names.join(', ')}`, given[name]);
      }
      return Object.fromEntries(
        names.map((name) => [name, whole(`${option}.${name}`, given[name], rules[name])]),
      ) as Record<K, number>;
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

/** A value in a message. Objects are not looked into: they may hold secrets. */
function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(withoutSecrets(value)).slice(0, 200);
  if (typeof value === 'function') return 'a function';
  if (typeof value !== 'object' || value === null) return String(value);
  return Array.isArray(value) ? 'a list' : 'an object';
}

/** URLs may have a password before the host, and a signature behind the path. */
function withoutSecrets(text: string): string {
  return text.replace(/\/\/[^/]*@/, '//***@').replace(/^(\w+:\/\/[^?#]*[?#]).+/s, '$1***');
}
