import type { Random } from '@cos-slice/testkit/simulated/random';

/** What breaks readers of numbers: ends of ranges, and other ways to write them. */
const NUMBERS = [
  '0',
  '-0',
  '1',
  '-1',
  '2',
  '7',
  '63',
  '64',
  '127',
  '128',
  '255',
  '256',
  '1000',
  '1024',
  '65535',
  '65536',
  '1048576',
  '2147483647',
  '2147483648',
  '4294967295',
  '4294967296',
  '9007199254740991',
  '9007199254740992',
  '9223372036854775808',
  '99999999999999999999',
  '1e3',
  '1e400',
  '0x10',
  '1.5',
  'NaN',
  'Infinity',
  '+1',
  '01',
  ' 1',
  '٣',
];
/** Texts that mean something to readers of most formats, or to the language they are written in. */
const MARKS = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  '\0',
  '\t',
  ' ',
  '"',
  "'",
  '\\',
  '/',
  '//',
  '..',
  '.',
  '%',
  '%00',
  '%2F',
  '%2e',
  '%zz',
  '%ff',
  '+',
  '&',
  '=',
  '?',
  '#',
  ';',
  ',',
  ':',
  '--',
  '-',
  '<',
  '>',
  '</',
  '/>',
  '<![CDATA[',
  ']]>',
  '<!--',
  '-->',
  '<?',
  '&#0;',
  '&#99999999;',
  '&#xfffff;',
  '&amp;',
  '{',
  '}',
  '[',
  ']',
  '{}',
  '[]',
  '""',
  'null',
  'true',
  '\\ud800',
  '\ufeff',
  '\u2028',
  '中',
  '💾',
  '__proto__',
  'constructor',
  'toString',
  'valueOf',
  'hasOwnProperty',
  'toJSON',
  'length',
]; // prettier-ignore
const MOST_CHANGES = 8;

export interface Mutator {
  /** Another input, made of this one and at times of a second one. It is not empty and has at most so many bytes. */
  mutate(input: Buffer, other: Buffer): Buffer;
}

/** @param words texts that the target knows */
export function createMutator(random: Random, words: readonly string[], mostBytes: number): Mutator {
  const known = words.map((word) => Buffer.from(word));
  const marks = MARKS.map((mark) => Buffer.from(mark));
  const numbers = NUMBERS.map((number) => Buffer.from(number));
  const word = (): Buffer => random.pick(random.chance(0.6) && known.length > 0 ? known : marks);
  const replaced = (input: Buffer, from: number, to: number, piece: Uint8Array): Buffer =>
    Buffer.concat([input.subarray(0, from), piece, input.subarray(to)]);
  /** A piece of an input: mostly a short one. */
  const stretch = (input: Buffer): { readonly from: number; readonly to: number } => {
    const from = random.below(input.length + 1);
    const most = random.chance(0.7) ? 16 : input.length;
    return { from, to: Math.min(input.length, from + random.below(most) + 1) };
  };
  /** Stretches of the same kind: what a reader would take for one. */
  const runs = (input: Buffer, pattern: RegExp): { readonly from: number; readonly to: number }[] =>
    [...input.toString('latin1').matchAll(pattern)].map(({ index, 0: run }) => ({
      from: index,
      to: index + run.length,
    }));

  const changes: readonly ((input: Buffer, other: Buffer) => Buffer)[] = [
    function flipBit(input) {
      const at = random.below(input.length);
      const changed = Buffer.from(input);
      changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
      return changed;
    },
    function setByte(input) {
      const at = random.below(input.length + 1);
      return replaced(input, at, at + random.below(2), random.bytes(1));
    },
    function remove(input) {
      const { from, to } = stretch(input);
      return replaced(input, from, to, Buffer.alloc(0));
    },
    function repeat(input) {
      const { from, to } = stretch(input);
      const times = random.chance(0.9) ? 1 + random.below(3) : 1 + random.below(80);
      return replaced(input, to, to, Buffer.concat(Array<Buffer>(times).fill(input.subarray(from, to))));
    },
    function move(input) {
      const { from, to } = stretch(input);
      const piece = Buffer.from(input.subarray(from, to));
      const rest = replaced(input, from, to, Buffer.alloc(0));
      const at = random.below(rest.length + 1);
      return replaced(rest, at, at, piece);
    },
    function cutOff(input) {
      return input.subarray(0, random.below(input.length + 1));
    },
    function insertWord(input) {
      const at = random.below(input.length + 1);
      return replaced(input, at, at, word());
    },
    function insertWord(input) {
      const { from, to } = stretch(input);
      return replaced(input, from, to, word());
    },
    function replaceName(input) {
      const names = runs(input, /[\w-]+/g);
      if (names.length === 0) return input;
      const { from, to } = random.pick(names);
      return replaced(input, from, to, word());
    },
    function replaceNumber(input) {
      const digits = runs(input, /\d+/g);
      if (digits.length === 0) return input;
      const { from, to } = random.pick(digits);
      const value = Number(input.toString('latin1', from, to));
      const near = Buffer.from(String(value + random.pick([-1, 1, 2])));
      return replaced(input, from, to, random.chance(0.5) ? random.pick(numbers) : near);
    },
    function percentEncode(input) {
      const at = random.below(input.length);
      const byte = input[at] ?? 0;
      return replaced(input, at, at + 1, Buffer.from(`%${byte.toString(16).padStart(2, '0')}`));
    },
    function splice(input, other) {
      const at = random.below(input.length + 1);
      return Buffer.concat([input.subarray(0, at), other.subarray(random.below(other.length + 1))]);
    },
    function graft(input, other) {
      const { from, to } = stretch(other);
      const here = stretch(input);
      return replaced(input, here.from, random.chance(0.5) ? here.from : here.to, other.subarray(from, to));
    },
  ];

  return {
    mutate(input, other) {
      let changed = input;
      for (let left = 1 << random.below(Math.log2(MOST_CHANGES) + 1); left > 0; left--) {
        const next = random.pick(changes)(changed, other);
        if (next.length > 0 && next.length <= mostBytes) changed = next;
      }
      return changed;
    },
  };
}
