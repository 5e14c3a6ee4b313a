/** Upper bounds in seconds: from a memory's answer to a large file's finish. */
const BOUNDS = [0.005, 0.025, 0.1, 0.5, 2.5, 10, 60, 300];

export type MetricLabels = Readonly<Record<string, string | number>>;

export interface Metric {
  /** In Prometheus' text format. */
  text(): string;
}

export function createCounter(name: string, help: string): Metric & { add(value: number, labels: MetricLabels): void } {
  const values = new Map<string, number>();
  return {
    add(value, labels) {
      const key = spell(labels);
      values.set(key, (values.get(key) ?? 0) + value);
    },
    text: () => head(name, help, 'counter') + [...values].map(([key, value]) => `${name}${key} ${value}\n`).join(''),
  };
}

export function createHistogram(
  name: string,
  help: string,
): Metric & { observe(value: number, labels: MetricLabels): void } {
  const series = new Map<
    string,
    { readonly labels: MetricLabels; readonly counts: number[]; sum: number; count: number }
  >();
  return {
    observe(value, labels) {
      const key = spell(labels);
      const one = series.get(key) ?? { labels, counts: BOUNDS.map(() => 0), sum: 0, count: 0 };
      series.set(key, one);
      for (const [index, bound] of BOUNDS.entries())
        if (value <= bound) one.counts[index] = (one.counts[index] ?? 0) + 1;
      one.sum += value;
      one.count += 1;
    },
    text() {
      const lines = [...series].flatMap(([key, { labels, counts, sum, count }]) => [
        ...BOUNDS.map((bound, index) => `${name}_bucket${spell({ ...labels, le: bound })} ${counts[index]}`),
        `${name}_bucket${spell({ ...labels, le: '+Inf' })} ${count}`,
        `${name}_sum${key} ${sum}`,
        `${name}_count${key} ${count}`,
      ]);
      return head(name, help, 'histogram') + lines.map((line) => `${line}\n`).join('');
    },
  };
}

export function gauge(name: string, help: string, value: number, type: 'gauge' | 'counter' = 'gauge'): string {
  return `${head(name, help, type)}${name} ${value}\n`;
}

function head(name: string, help: string, type: string): string {
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n`;
}

function spell(labels: MetricLabels): string {
  const quote = (value: string | number) =>
    String(value).replace(/[\\"\n]/g, (one) => (one === '\n' ? '\\n' : `\\${one}`));
  return `{${Object.entries(labels)
    .map(([label, value]) => `${label}="${quote(value)}"`)
    .join(',')}}`;
}
