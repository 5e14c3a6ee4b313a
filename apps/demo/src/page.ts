import { startAnnouncer } from './announcer.ts';
import { startChart } from './chart.ts';
import { readConfig } from './config.ts';
import { createCounters } from './counters.ts';
import { byId } from './element.ts';
import { startFaults } from './faults.ts';
import { createFinishedFiles } from './finished-files.ts';
import { createLanguages } from './language.ts';
import { createMapView } from './map-view.ts';
import { claimTab } from './tab.ts';
import { followUploads } from './uploads.ts';
import { createUppy } from './uppy.ts';
import { chosenWire, startWireChoice } from './wire-choice.ts';

const languages = createLanguages();
const config = readConfig();
const tab = await claimTab();
const wire = chosenWire(tab, config);
const uppy = createUppy(tab, wire, config, languages);
const choice = startWireChoice(tab, config, languages);
const maps = createMapView(languages, (error) => uppy.getPlugin('CosSlice')?.explain(error) ?? error.message);
const counters = createCounters(languages);
const finished = createFinishedFiles(languages);

const REDRAW_EVERY_MS = 100;

// Everything that has changed is drawn at once, and no more often than eyes can follow.
let drawnAtMs = Number.NEGATIVE_INFINITY;
let due = false;
const redraw = (): void => {
  if (due) return;
  due = true;
  const draw = (): void => {
    due = false;
    drawnAtMs = performance.now();
    document.body.dataset.ready = '';
    maps.show(uploads.entries());
    counters.show(uploads.totals(), faults.preflights());
    choice.show(uploads.isBusy());
  };
  const waitMs = drawnAtMs + REDRAW_EVERY_MS - performance.now();
  setTimeout(() => requestAnimationFrame(draw), Math.max(0, waitMs));
};

const uploads = followUploads(uppy, redraw);
const faults = startFaults(languages, redraw);
startChart(uploads, languages);
languages.watch(redraw);
new ResizeObserver(redraw).observe(byId('maps'));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
byId('reload').addEventListener('click', () => location.reload());

startAnnouncer(uppy, languages);
uppy.on('upload-success', (file, { body }) => {
  if (file && body) finished.add(wire, file.size ?? 0, body);
});
