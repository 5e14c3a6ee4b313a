import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Mention {
  readonly file: string;
  readonly section: number;
}

/** Every text of the project that git tracks. */
async function readSources(): Promise<Map<string, string>> {
  const { stdout } = await promisify(execFile)(
    'git',
    ['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    {
      cwd: ROOT,
      maxBuffer: 2 ** 24,
    },
  );
  const names = stdout.split('\0').filter((name) => /\.(ts|js|tsx|md)$/.test(name));
  const texts = await Promise.all(
    names.map((name) =>
      readFile(join(ROOT, name), 'utf8').then(
        (text) => [name, text] as const,
        () => undefined,
      ),
    ),
  );
  return new Map(texts.filter((entry) => entry !== undefined));
}

let sources: Map<string, string>;
let protocol: string;

beforeAll(async () => {
  sources = await readSources();
  protocol = sources.get('docs/protocol.md') ?? '';
});

describe('docs/protocol.md', () => {
  test('has the section that each comment names', () => {
    const sections = new Set([...protocol.matchAll(/^## (\d+)\. /gm)].map(([, number]) => Number(number)));
    const mentions: Mention[] = [];
    for (const [file, text] of sources) {
      if (file === 'docs/protocol.md') continue;
      for (const [, list = ''] of text.matchAll(/\bprotocol[\s*/]+sections?[\s*/]+(\d+(?:(?:,| and)[\s*/]+\d+)*)/gi)) {
        for (const number of list.match(/\d+/g) ?? []) mentions.push({ file, section: Number(number) });
      }
    }
    expect(mentions.length).toBeGreaterThan(10);
    expect(mentions.filter(({ section }) => !sections.has(section))).toEqual([]);
  });

  test('lists every code that client and server know, with the status that the server sends', () => {
    const documented = new Map<number, number>();
    for (const [, status, row = ''] of protocol.matchAll(/^\| (\d{3}) \| (.*) \|$/gm)) {
      for (const code of row.match(/-\d+/g) ?? []) documented.set(Number(code), Number(status));
    }
    const server = sources.get('packages/server/src/protocol/codes.ts') ?? '';
    const sent = [...server.matchAll(/: \[(-\d+), (\d{3}),/g)].map(([, code, status]) => [
      Number(code),
      Number(status),
    ]);
    expect(sent.length).toBeGreaterThan(15);
    expect(sent.filter(([code, status]) => documented.get(code ?? 0) !== status)).toEqual([]);
    const client = sources.get('packages/core/src/protocol/json-api/codes.ts') ?? '';
    const known = [...client.matchAll(/\[(-\d+)\]:/g)].map(([, code]) => Number(code));
    expect(known.length).toBeGreaterThan(15);
    expect(known.filter((code) => !documented.has(code))).toEqual([]);
  });

  test('links to places that exist', async () => {
    for (const [file, text] of sources) {
      if (!file.endsWith('.md')) continue;
      for (const [, target = ''] of text.matchAll(/\]\((?!https?:|mailto:)([^)#\s]+)/g)) {
        const at = join(ROOT, file, '..', target);
        await expect(
          readFile(at).catch((error) => error.code === 'EISDIR' || Promise.reject(error)),
          `${file}: ${target}`,
        ).resolves.toBeTruthy();
      }
    }
  });
});
