import { byId, element, setText } from './element.ts';
import { formatCount } from './format.ts';
import type { Languages } from './language.ts';

const FAULTS = ['drop', 'busy', 'stall', 'slow', 'expire', 'lose'] as const;
type Fault = (typeof FAULTS)[number];

interface ServerState {
  readonly preflights: number;
  readonly faults: Readonly<Record<Fault, boolean>>;
  readonly struck: Readonly<Record<Fault, number>>;
}

/** The switches. What the server says is what they show. */
export function startFaults(languages: Languages, onChange: () => void): { preflights(): number } {
  const list = byId('faults');
  let first: ServerState | undefined;
  let state: ServerState | undefined;

  const rows = FAULTS.map((fault) => {
    const input = element('input', {
      type: 'checkbox',
      role: 'switch',
      id: `fault-${fault}`,
      'aria-describedby': `hint-${fault}`,
    });
    const label = element('label', { for: input.id });
    const hint = element('p', { class: 'hint', id: `hint-${fault}` });
    const times = element('span', { class: 'times' });
    list.append(element('li', {}, input, element('div', {}, label, hint), times));
    input.addEventListener('change', () => change({ [fault]: input.checked }));
    return { fault, input, label, hint, times };
  });

  async function change(wanted: Partial<Record<Fault, boolean>>): Promise<void> {
    try {
      const response = await fetch('/demo/faults', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(wanted),
      });
      if (state) state = { ...state, ...(await response.json()) };
    } catch {
      byId('announcer').textContent = languages.text('serverGone');
    }
    show();
  }

  function show(): void {
    for (const { fault, input, label, hint, times } of rows) {
      input.checked = state?.faults[fault] ?? false;
      setText(label, languages.text(fault));
      setText(hint, languages.text(`${fault}Hint`));
      const count = (state?.struck[fault] ?? 0) - (first?.struck[fault] ?? 0);
      setText(times, count > 0 ? languages.text('times', { count: formatCount(count, languages.tag) }) : '');
      if (count > 0) times.setAttribute('aria-label', languages.text('timesLabel', { count }));
    }
  }

  languages.watch(show);
  const feed = new EventSource('/demo/events');
  feed.onmessage = ({ data }) => {
    const told: ServerState = JSON.parse(data);
    // A server that was started anew counts from zero.
    if (!first || told.preflights < first.preflights) first = told;
    state = told;
    show();
    onChange();
  };
  return { preflights: () => (state?.preflights ?? 0) - (first?.preflights ?? 0) };
}
