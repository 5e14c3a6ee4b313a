import type { DemoConfig } from './config.ts';
import { byId, element, setText } from './element.ts';
import type { Languages } from './language.ts';

/** Where files go: to the slice server of the demo, or to the object store that it was started with. */
export type WireName = 'json' | 's3';

const KEPT_AS = 'cos-slice-demo-wire';

/** What a tab was set to: what it has begun goes on there. */
export function chosenWire(tab: string, { s3 }: DemoConfig): WireName {
  try {
    return s3 && localStorage.getItem(`${KEPT_AS}-${tab}`) === 's3' ? 's3' : 'json';
  } catch {
    return 'json';
  }
}

/** Lets one choose where there is a choice, and nothing is under way. */
export function startWireChoice(
  tab: string,
  config: DemoConfig,
  languages: Languages,
): { show(isBusy: boolean): void } {
  const { s3 } = config;
  const current = chosenWire(tab, config);
  const group = byId('wire');
  group.hidden = !s3;
  const buttons = (['json', 's3'] as const).map((wire) => {
    const isOn = wire === current;
    const button = element('button', { type: 'button', 'data-wire': wire, 'aria-pressed': String(isOn) });
    button.addEventListener('click', () => {
      if (isOn) return;
      try {
        localStorage.setItem(`${KEPT_AS}-${tab}`, wire);
        location.reload();
      } catch {
        // Where nothing can be kept, it stays as it is.
      }
    });
    group.append(button);
    return button;
  });
  languages.watch(() => {
    const [json, store] = buttons;
    if (json) setText(json, languages.text('wireJson'));
    if (store) setText(store, languages.text('wireS3', { bucket: s3?.bucket ?? '' }));
    if (current === 's3') setText(byId('break-hint'), languages.text('breakHintS3'));
  });
  // The switches are in front of the slice server.
  byId('faults').hidden = current === 's3';
  return {
    show(isBusy) {
      for (const button of buttons) button.disabled = isBusy;
    },
  };
}
