import { byId, element, setText } from './element.ts';
import { formatCount } from './format.ts';
import type { Languages } from './language.ts';

const FAULTS = ['drop', 'busy', 'stall', 'slow', 'expire', 'lose'] as const;
type Fault = (typeof FAULTS)[number];

interface ServerState {
  /** Which run of the server this is: each counts from zero. */
  readonly run: string;
  readonly preflights: number;
  readonly faults: Readonly<Record<Fault, boolean>>;
  readonly struck: Readonly<Record<Fault, number>>;
}

type Counts = Readonly<Record<string, number>>;

/** The switches. What the server says is what they show. */
export function startFaults(languages: Languages, onChange: () => void): { preflights(): number } {
  const list = byId('faults');
  let state: ServerState | undefined;
  /** What the server had counted before this page was opened, less what earlier runs of it have counted since. */
  let offset: Counts = {};
  const counted = (name: string): number => (state ? (countsOf(state)[name] ?? 0) - (offset[name] ?? 0) : 0);

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
      const { faults } = await response.json();
      if (state) state = { ...state, faults };
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
      const count = counted(fault);
      setText(times, count > 0 ? languages.text('times', { count: formatCount(count, languages.tag) }) : '');
      if (count > 0) times.setAttribute('aria-label', languages.text('timesLabel', { count }));
    }
  }

  languages.watch(show);
  const feed = new EventSource('/demo/events');
  feed.onmessage = ({ data }) => {
    const told: ServerState = JSON.parse(data);
    if (!state) offset = countsOf(told);
    else if (told.run !== state.run) {
      offset = Object.fromEntries(Object.keys(countsOf(told)).map((name) => [name, -counted(name)]));
    }
    state = told;
    show();
    onChange();
  };
  return { preflights: () => counted('preflights') };
}

function countsOf({ preflights, struck }: ServerState): Counts {
  return { preflights, ...struck };
}
