import { byId, element, setText } from './element.ts';
import { formatBytes, formatCount } from './format.ts';
import type { Languages } from './language.ts';
import type { Totals } from './uploads.ts';

const NAMES = ['slices', 'confirmed', 'resent', 'requests', 'preflights', 'signatures'] as const;

export function createCounters(languages: Languages): { show(totals: Totals, preflights: number): void } {
  const list = byId('counters');
  const boxes = NAMES.map((name) => {
    const label = element('dt');
    const value = element('dd', { id: `count-${name}` });
    list.append(element('div', {}, label, value));
    return { name, label, value };
  });
  return {
    show(totals, preflights) {
      const count = (number: number): string => formatCount(number, languages.tag);
      const values = {
        slices: languages.text('ofSlices', { stored: count(totals.storedSlices), total: count(totals.slices) }),
        confirmed: formatBytes(totals.confirmedBytes),
        resent: formatBytes(totals.resentBytes),
        requests: count(totals.requests),
        preflights: count(preflights),
        signatures: count(totals.signatures),
      };
      for (const { name, label, value } of boxes) {
        setText(label, languages.text(name));
        setText(value, values[name]);
      }
    },
  };
}
