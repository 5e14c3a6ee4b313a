import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { type FormValue, post, type Reply, send } from './testing/client.ts';
import { startServer, type TestServer } from './testing/server.ts';
import { ACCOUNT, type SignParts, sign, signOnce } from './testing/sign.ts';

/** A second set of credentials, for a bucket of its own in the same appid, and one of another appid. */
const SECOND = { ...ACCOUNT, secretId: 'AKIDsecond', secretKey: 'second', buckets: ['other'] };
const FOREIGN = { appId: '77', secretId: 'AKIDforeign', secretKey: 'foreign', buckets: ['demobucket'] };

const PATH = 'dir/file';
const ENCODED = `/${ACCOUNT.appId}/demobucket/${PATH}`;
const DAY_SEC = 24 * 3600;
const nowSec = (): number => Math.floor(Date.now() / 1000);

type Kind = 'multi' | 'once';

interface Operation {
  readonly kind: Kind;
  readonly fields: Record<string, FormValue> | undefined;
  /** Whether the other kind is as good. */
  readonly either?: true;
  /** Whether more than the path has to be covered. */
  readonly wide?: true;
  /** Where it is not {@link PATH}. */
  readonly path?: string;
}

/** Every operation, and a download; `fields` as they would succeed or fail for another reason than the signature. */
const OPERATIONS: Record<string, Operation> = {
  upload_slice_init: { kind: 'multi', fields: { filesize: 1 } },
  upload_slice_data: { kind: 'multi', fields: { session: 'x', offset: 0, filecontent: 'x' } },
  upload_slice_list: { kind: 'multi', fields: {} },
  upload_slice_finish: { kind: 'multi', fields: { session: 'x', filesize: 1 } },
  upload_slice: { kind: 'multi', fields: { filesize: 1 } },
  upload: { kind: 'multi', fields: { filecontent: 'x', insertOnly: 0 } },
  create: { kind: 'multi', fields: {} },
  list: { kind: 'multi', fields: {}, path: `${PATH}/` },
  'list of what begins alike': { kind: 'multi', wide: true, fields: { op: 'list' } },
  stat: { kind: 'multi', fields: {} },
  update: { kind: 'once', fields: { biz_attr: 'x' } },
  'copy, signed for any use': {
    kind: 'multi',
    either: true,
    wide: true,
    fields: { op: 'copy', dest_fileid: 'b', to_over_write: 1 },
  },
  'copy, signed for one use': {
    kind: 'once',
    either: true,
    fields: { op: 'copy', dest_fileid: 'b', to_over_write: 1 },
  },
  'move, signed for any use': {
    kind: 'multi',
    either: true,
    wide: true,
    fields: { op: 'move', dest_fileid: 'b', to_over_write: 1 },
  },
  'move, signed for one use': {
    kind: 'once',
    either: true,
    fields: { op: 'move', dest_fileid: 'b', to_over_write: 1 },
  },
  delete: { kind: 'once', fields: {} },
  download: { kind: 'multi', fields: undefined },
};

/** What is good for an operation of this kind, with a difference. */
function signed(kind: Kind, parts: SignParts = {}, path: string = PATH): string {
  return kind === 'once' ? signOnce(path, parts) : sign(parts);
}

/** How an operation is signed, and what comes of it: a code, or `passes` for whatever the signature is not to blame for. */
const SIGNATURES: [
  name: string,
  signature: (kind: Kind, path: string) => string | undefined,
  expected: (kind: Kind, either: boolean, wide: boolean) => number | 'passes',
][] = [
  ['none', () => undefined, () => -48],
  ['nonsense', () => 'nonsense', () => -48],
  ['a good one, cut off', (kind) => signed(kind).slice(0, -8), () => -97],
  [
    'one without its last field',
    (kind) => signed(kind, { order: 'abketr' }),
    (kind) => (kind === 'once' ? -63 : 'passes'),
  ],
  ['one that says no expiry', (kind) => signed(kind, { order: 'abktrf' }), () => -48],
  ['the wrong key', (kind) => signed(kind, { secretKey: 'wrong' }), () => -97],
  ["another account's key", (kind) => signed(kind, { secretKey: SECOND.secretKey }), () => -97],
  ['an unknown secret id', (kind) => signed(kind, { k: 'AKIDnobody' }), () => -47],
  [
    'an account that does not have the bucket',
    (kind) => signed(kind, { k: SECOND.secretId, secretKey: SECOND.secretKey }),
    () => -133,
  ],
  ["another appid's account", (kind) => signed(kind, { k: FOREIGN.secretId, secretKey: FOREIGN.secretKey }), () => -70],
  [
    "another appid's account and appid",
    (kind) => signed(kind, { a: '77', k: FOREIGN.secretId, secretKey: FOREIGN.secretKey }),
    () => -70,
  ],
  ['another appid', (kind) => signed(kind, { a: '77' }), () => -70],
  ['another bucket', (kind) => signed(kind, { b: 'other' }), () => -61],
  // One for any use has to cover where a copy goes, too, and the directory that a list looks through.
  ['bound to the path', (kind) => signed(kind, { f: ENCODED }), (_kind, _either, wide) => (wide ? -63 : 'passes')],
  [
    'bound to the folder',
    (kind) => signed(kind, { f: `/${ACCOUNT.appId}/demobucket/dir/` }),
    (kind) => (kind === 'once' ? -63 : 'passes'),
  ],
  ['bound to another path', (kind) => signed(kind, { f: `${ENCODED}2` }), () => -63],
  ['bound to a part of the name', (kind) => signed(kind, { f: ENCODED.slice(0, -1) }), () => -63],
  ['bound to another folder', (kind) => signed(kind, { f: `/${ACCOUNT.appId}/demobucket/di` }), () => -63],
  ['bound to the path in another bucket', (kind) => signed(kind, { f: `/${ACCOUNT.appId}/other/${PATH}` }), () => -63],
  ['bound to the appid', (kind) => signed(kind, { f: `/${ACCOUNT.appId}` }), () => -63],
  ['bound to nothing', (kind) => signed(kind, { f: '' }), (kind) => (kind === 'once' ? -63 : 'passes')],
  [
    'expired',
    (kind) => (kind === 'once' ? signed(kind, { t: nowSec() - 700 }) : signed(kind, { e: nowSec() - 1 })),
    () => -59,
  ],
  ['expired long ago', (kind) => (kind === 'once' ? signed(kind, { t: 1 }) : signed(kind, { e: 1 })), () => -59],
  ['not yet good', (kind) => signed(kind, { t: nowSec() + 700 }), (kind) => (kind === 'once' ? -59 : 'passes')],
  ['good for more than 90 days', (kind) => signed(kind, { e: nowSec() + 91 * DAY_SEC }), () => -97],
  [
    'good for 89 days',
    (kind) => signed(kind, { e: nowSec() + 89 * DAY_SEC }),
    (kind, either) => (kind === 'multi' ? 'passes' : either ? -63 : -97),
  ],
  [
    'of the other kind',
    (kind, path) => signed(kind === 'once' ? 'multi' : 'once', {}, path),
    (_kind, either) => (either ? 'passes' : -97),
  ],
  [
    'of the other kind, bound to the path',
    (kind, path) => (kind === 'once' ? sign({ f: ENCODED }) : signOnce(path)),
    (kind, either) => (!either ? -97 : kind === 'multi' ? 'passes' : -63),
  ],
  ['good', (kind) => signed(kind), () => 'passes'],
];

/** The columns of the table in docs/authorisation.md: what is asked for, and what the operation is to the table above. */
const COLUMNS: [name: string, kind: Kind, either: boolean, wide: boolean][] = [
  ['uploads, `create`, `list` of a directory, `stat`, downloads', 'multi', false, false],
  ['`list` of what begins alike', 'multi', false, true],
  ['`update`, `delete`', 'once', false, false],
  ['`copy`, `move` signed for any use', 'multi', true, true],
  ['`copy`, `move` signed for one use', 'once', true, false],
];

function tableRows(): string[] {
  const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
  return [
    row(['Signature', ...COLUMNS.map(([name]) => name)]),
    row(['---', ...COLUMNS.map(() => '---')]),
    ...SIGNATURES.map(([name, , expected]) =>
      row([name, ...COLUMNS.map(([, kind, either, wide]) => expected(kind, either, wide))]),
    ),
  ];
}

test('docs/authorisation.md has the table of what every signature is good for', async () => {
  const document = await readFile(new URL('../../../docs/authorisation.md', import.meta.url), 'utf8');
  // As they are to be there, to be copied from here after a change.
  expect(document).toContain(tableRows().join('\n'));
});

function ask(server: TestServer, name: string, signature: string | undefined): Promise<Reply> {
  const { fields, path = PATH } = OPERATIONS[name] as Operation;
  const url = server.urlOf(path);
  if (fields) return post(url, { op: name, ...fields }, signature ?? '');
  return send(url, { method: 'GET', headers: signature === undefined ? {} : { Authorization: signature } });
}

const AUTHORISATION_CODES = new Set([-47, -48, -59, -61, -63, -70, -97, -133]);

function outcomeOf(reply: Reply): number | 'passes' {
  const isJson = String(reply.headers['content-type']).startsWith('application/json');
  const code = isJson ? reply.json().code : 0;
  return AUTHORISATION_CODES.has(code) ? code : 'passes';
}

describe.each(Object.entries(OPERATIONS))('%s', (name, { kind, either = false, wide = false, path = PATH }) => {
  test('takes the signatures that cover it, and no others', async () => {
    const server = await startServer({ accounts: [ACCOUNT, SECOND, FOREIGN] });
    await post(server.urlOf(PATH), { op: 'upload', filecontent: 'kept' });
    const outcomes: [string, number | 'passes'][] = [];
    for (const [signedHow, signature] of SIGNATURES) {
      outcomes.push([signedHow, outcomeOf(await ask(server, name, signature(kind, path)))]);
      // Whatever was refused has changed nothing.
      if (outcomes.at(-1)?.[1] !== 'passes') expect((await server.stored(PATH)).length).toBeGreaterThan(0);
      else await post(server.urlOf(PATH), { op: 'upload', filecontent: 'kept' });
    }
    expect(outcomes).toEqual(SIGNATURES.map(([signedHow, , expected]) => [signedHow, expected(kind, either, wide)]));
  });
});

describe('a signature for one use', () => {
  const remove = (server: TestServer, signature: string): Promise<Reply> => ask(server, 'delete', signature);

  test('works once, even for what is not there', async () => {
    const server = await startServer();
    const signature = signOnce(PATH);
    expect((await remove(server, signature)).json().code).toBe(-197);
    expect((await remove(server, signature)).json().code).toBe(-59);
    expect((await remove(server, signOnce(PATH))).json().code).toBe(-197);
  });

  test('works in one of many requests at once', async () => {
    const server = await startServer();
    await post(server.urlOf(PATH), { op: 'upload', filecontent: 'x' });
    const signature = signOnce(PATH);
    const codes = (await Promise.all(Array.from({ length: 20 }, () => remove(server, signature)))).map(
      (reply) => reply.json().code,
    );
    expect(codes.filter((code) => code === 0)).toHaveLength(1);
    expect(codes.filter((code) => code === -59)).toHaveLength(19);
  });

  test('is not used up by requests that are refused before they act', async () => {
    const server = await startServer();
    const signature = signOnce(PATH);
    for (const op of ['upload', 'upload_slice_list', 'nonsense']) await post(server.urlOf(PATH), { op }, signature);
    expect((await remove(server, signature)).json().code).toBe(-197);
  });
});

test('reading is for everybody only with publicRead, and then of buckets that are known', async () => {
  const server = await startServer({ publicRead: true });
  await post(server.urlOf(PATH), { op: 'upload', filecontent: 'x' });
  expect((await ask(server, 'download', undefined)).status).toBe(200);
  const elsewhere = server.urlOf(PATH).replace('demobucket', 'nobucket');
  expect((await send(elsewhere, { method: 'GET' })).json().code).toBe(-133);
});
