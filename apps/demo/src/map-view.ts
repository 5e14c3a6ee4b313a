import { SLICE_IN_FLIGHT, SLICE_RESUMED, SLICE_RETRYING, SLICE_STORED, SLICE_WAITING } from '@cos-slice/browser';
import { byId, element, setText } from './element.ts';
import { formatBytes, formatCount } from './format.ts';
import type { Languages } from './language.ts';
import { tally } from './slice-grid.ts';
import { createSliceMap, type SliceMap } from './slice-map.ts';
import type { TextKey } from './texts.ts';
import type { Entry } from './uploads.ts';

/** More files than these are only counted: a thousand maps help nobody. */
const MOST_MAPS = 12;

const LEGEND: readonly (readonly [state: number, key: TextKey, name: string])[] = [
  [SLICE_WAITING, 'waiting', 'waiting'],
  [SLICE_IN_FLIGHT, 'inFlight', 'in-flight'],
  [SLICE_STORED, 'stored', 'stored'],
  [SLICE_RETRYING, 'retrying', 'retrying'],
  [SLICE_RESUMED, 'resumed', 'resumed'],
];

interface Row {
  readonly root: HTMLElement;
  readonly name: HTMLElement;
  readonly phase: HTMLElement;
  readonly detail: HTMLElement;
  readonly map: SliceMap;
}

/** Why an upload has failed and what to do about it, in the language of the page. */
export type Explain = (error: Error) => string;

/** The maps of all files under way, and the legend, whose numbers say the same in words. */
export function createMapView(languages: Languages, explain: Explain): { show(entries: readonly Entry[]): void } {
  const box = byId('maps');
  const legend = byId('legend');
  /** Places: what shows a file that has arrived shows the next one afterwards, and nothing moves. */
  const rows: Row[] = [];
  const empty = element('div', { class: 'maps-empty' });
  const pattern = createSliceMap();
  pattern.canvas.setAttribute('aria-hidden', 'true');
  const emptyText = element('p', { class: 'hint' });
  empty.append(pattern.canvas, emptyText);
  const more = element('p', { class: 'hint' });
  const numbers = LEGEND.map(([, key, name]) => {
    const label = element('span', { class: 'legend-name' });
    const number = element('b', {}, '0');
    legend.append(element('li', {}, element('i', { class: `swatch ${name}`, 'aria-hidden': 'true' }), label, number));
    return { key, label, number };
  });

  const createRow = (): Row => {
    const map = createSliceMap();
    const name = element('span', { class: 'file-name' });
    const phase = element('span', { class: 'file-phase' });
    // Above the map, whose height depends on how many there are.
    const detail = element('span', { class: 'file-detail' });
    const head = element('p', { class: 'map-head' }, name, phase);
    const root = element('article', { class: 'map-row' }, head, detail, map.canvas);
    return { root, name, phase, detail, map };
  };

  function show(entries: readonly Entry[]): void {
    const shown = entries.slice(0, MOST_MAPS);
    for (const { root } of rows.splice(shown.length)) root.remove();
    setText(emptyText, languages.text('mapEmpty'));
    if (shown.length === 0) {
      if (!empty.isConnected) box.replaceChildren(empty);
      pattern.draw(new Uint8Array(240));
    } else {
      empty.remove();
    }
    box.classList.toggle('several', shown.length > 1);

    const sums = LEGEND.map(() => 0);
    for (const entry of entries) {
      const counts = tally(entry.map);
      for (const [at, [state]] of LEGEND.entries()) sums[at] = (sums[at] ?? 0) + (counts[state] ?? 0);
    }
    for (const [at, { key, label, number }] of numbers.entries()) {
      setText(label, languages.text(key));
      setText(number, formatCount(sums[at] ?? 0, languages.tag));
    }
    for (const [at, entry] of shown.entries()) {
      const row = rows[at] ?? createRow();
      rows[at] = row;
      if (!row.root.isConnected) box.append(row.root);
      setText(row.name, entry.name);
      row.name.title = entry.name;
      setText(row.phase, phaseText(entry, languages, explain));
      row.map.draw(entry.map);
      setText(row.detail, detailText(entry, row.map, languages));
      row.map.canvas.setAttribute('aria-label', mapLabel(entry, languages));
    }
    const hidden = entries.length - shown.length;
    if (hidden > 0) {
      setText(more, languages.text('moreFiles', { count: formatCount(hidden, languages.tag) }));
      // Where it is already, it stays: what is moved cannot be selected.
      if (box.lastElementChild !== more) box.append(more);
    } else {
      more.remove();
    }
  }
  return { show };
}

function phaseText({ state, isBehind, percent, instant }: Entry, { text }: Languages, explain: Explain): string {
  const { phase, progress, paused, waitingFor, error } = state;
  const { hashedBytes, sizeBytes } = progress;
  if (phase === 'done') return text(instant ? 'phaseInstant' : 'phaseDone');
  if (phase === 'failed') return text('phaseFailed', { reason: error ? explain(error) : '' });
  if (phase === 'cancelled') return text('phaseCancelled');
  if (paused) return text('phasePaused', { percent: `${percent}%` });
  if (waitingFor === 'network') return text('phaseOffline');
  if (phase === 'hashing')
    return text('phaseHashing', { percent: `${Math.floor((100 * hashedBytes) / Math.max(1, sizeBytes))}%` });
  if (phase === 'sending') return text(isBehind ? 'phaseMakingUp' : 'phaseSending', { percent: `${percent}%` });
  return text(phase === 'finishing' ? 'phaseFinishing' : 'phaseOpening');
}

function detailText({ sizeBytes, state }: Entry, map: SliceMap, { text, tag }: Languages): string {
  const perCell =
    map.perCell > 1
      ? text('grouped', { count: formatCount(map.perCell, tag) })
      : text('onePerCell', { size: formatBytes(Math.min(sizeBytes, state.sliceSizeBytes)) });
  return `${formatBytes(sizeBytes)} · ${perCell}`;
}

function mapLabel({ name, map }: Entry, { text, tag }: Languages): string {
  const counts = tally(map);
  const values: Record<string, string> = { name, total: formatCount(map.length, tag) };
  for (const [state, key] of LEGEND) values[key] = formatCount(counts[state] ?? 0, tag);
  return text('mapLabel', values);
}
