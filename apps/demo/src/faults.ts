import { byId, element, setText } from './element.ts';
import { formatCount } from './format.ts';
import type { Languages } from './language.ts';

const FAULTS = ['drop', 'busy', 'stall', 'slow', 'expire', 'lose'] as const;
type Fault = (typeof FAULTS)[number];

interface ServerState {
  /** Which run of the server this is: each counts from zero. */
  readonly run: string;
  /** Grows with every change in a run. */
  readonly version: number;
  readonly preflights: number;
  readonly faults: Readonly<Record<Fault, boolean>>;
  readonly struck: Readonly<Record<Fault, number>>;
}

type Counts = Readonly<Record<string, number>>;

/** Without an answer for this long, a click counts as not taken. */
const ANSWER_MS = 5000;

/** A click this soon after a switch has moved by itself was meant for what it showed before. */
const REACTION_MS = 400;

/** The switches. They show what the server says, and until it has answered, what they were set to. */
export function startFaults(languages: Languages, onChange: () => void): { preflights(): number } {
  const list = byId('faults');
  let state: ServerState | undefined;
  /** What the server had counted before this page was opened, less what earlier runs of it have counted since. */
  let offset: Counts = {};
  /** What was clicked and not answered yet. */
  const wanted = new Map<Fault, boolean>();
  let isAsking = false;
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
    const row = { fault, input, label, hint, times, movedAtMs: Number.NEGATIVE_INFINITY };
    input.addEventListener('change', () => {
      // What was asked for has happened already.
      if (performance.now() - row.movedAtMs < REACTION_MS) return show();
      wanted.set(fault, input.checked);
      void ask();
    });
    return row;
  });

  /** One request at a time: two could overtake each other, and an earlier click would win. */
  async function ask(): Promise<void> {
    if (isAsking) return;
    isAsking = true;
    while (wanted.size > 0) {
      const asked = new Map(wanted);
      try {
        learn(await send(Object.fromEntries(asked)));
        for (const [fault, isOn] of asked) if (wanted.get(fault) === isOn) wanted.delete(fault);
      } catch {
        wanted.clear();
        byId('announcer').textContent = languages.text('serverGone');
      }
      show();
    }
    isAsking = false;
  }

  function learn(told: ServerState): void {
    if (!state) offset = countsOf(told);
    else if (told.run !== state.run) {
      offset = Object.fromEntries(Object.keys(countsOf(told)).map((name) => [name, -counted(name)]));
    } else if (told.version < state.version) return;
    const before = state?.faults;
    state = told;
    for (const row of rows) {
      const isMoved = before !== undefined && before[row.fault] !== told.faults[row.fault];
      if (isMoved && !wanted.has(row.fault)) row.movedAtMs = performance.now();
    }
    show();
    onChange();
  }

  function show(): void {
    for (const { fault, input, label, hint, times } of rows) {
      input.checked = wanted.get(fault) ?? state?.faults[fault] ?? false;
      setText(label, languages.text(fault));
      setText(hint, languages.text(`${fault}Hint`));
      const count = counted(fault);
      setText(times, count > 0 ? languages.text('times', { count: formatCount(count, languages.tag) }) : '');
      if (count > 0) times.setAttribute('aria-label', languages.text('timesLabel', { count }));
    }
  }

  languages.watch(show);
  const feed = new EventSource('/demo/events');
  feed.onmessage = ({ data }) => learn(JSON.parse(data));
  return { preflights: () => counted('preflights') };
}

async function send(wanted: Readonly<Record<string, boolean>>): Promise<ServerState> {
  const response = await fetch('/demo/faults', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(wanted),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  if (!response.ok) throw new Error(`the demo server answered ${response.status}`);
  return response.json();
}

function countsOf({ preflights, struck }: ServerState): Counts {
  return { preflights, ...struck };
}
