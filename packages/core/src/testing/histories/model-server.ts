import { CosSliceError } from '../../errors.ts';
import type { ByteRange } from '../../ports.ts';
import type { Answer, ObjectLocation } from '../../protocol/operations.ts';
import type { Command } from '../../upload/plan.ts';
import type { History } from './history.ts';
import { rule, sameRange } from './rule.ts';

export const LOCATION: ObjectLocation = { accessUrl: 'http://x/o', sourceUrl: '', url: '', resourcePath: '' };
export const OUR_SHA: string = 'a'.repeat(40);
const OTHER_SHA = 'b'.repeat(40);

/** A server that keeps what it is sent, of one path. */
export class ModelServer {
  session: { id: string; ours: boolean; sha?: string; sizeBytes: number; stored: Map<number, number> } | undefined;
  object: { sha?: string; sizeBytes: number; ours: boolean } | undefined;
  #sessions = 0;
  readonly #history: History;

  constructor(history: History) {
    this.#history = history;
    const { before, sizeBytes } = history;
    // Without a SHA-1 only the record tells that a session of the same size holds other content.
    if (before === 'same-unfinished')
      this.#open(this.#ourSha(), sizeBytes, this.#ourSha() !== undefined || history.record !== 'foreign');
    if (before === 'other-unfinished') this.#open(OTHER_SHA, sizeBytes, false);
    if (before === 'other-size') this.#open(undefined, sizeBytes + 1, false);
    if (before === 'present-ours') this.object = { sizeBytes, ours: true, sha: OUR_SHA };
    if (before === 'present-other') this.object = { sizeBytes: sizeBytes + 7, ours: false, sha: OTHER_SHA };
    if (before === 'present-like-ours') this.object = { sizeBytes, ours: false, sha: OTHER_SHA };
    if (this.session && before === 'same-unfinished') {
      history.storedBefore.forEach((stored, index) => {
        const range = this.#tile(index);
        if (stored && range.length > 0) this.session?.stored.set(range.offset, range.length);
      });
    }
  }

  /** Carries a request out. Checks what only the server can see. */
  answer(command: Command): Answer | CosSliceError {
    const { sizeBytes, serverSliceSizeBytes: sliceSizeBytes, serial, overwrite, exact, known } = this.#history;
    const sessionDelete = exact;
    switch (command.type) {
      case 'init': {
        if (this.object && !overwrite) return refused('exists', -177);
        if (this.session) {
          const same = this.session.sizeBytes === sizeBytes && this.session.sha === this.#ourSha();
          return same || this.#history.lenient
            ? { kind: 'unfinished' }
            : { kind: 'conflict', error: refused('conflict', -4020) };
        }
        if (known && command.hash) {
          this.object = { sizeBytes, ours: true, sha: OUR_SHA };
          return { kind: 'present', location: LOCATION };
        }
        const session = this.#open(this.#ourSha(), sizeBytes, true);
        return { kind: 'opened', session: session.id, sliceSizeBytes, serial, sessionDelete };
      }
      case 'list': {
        if (this.session) {
          const stored = [...this.session.stored].map(([offset, length]) => ({ offset, length }));
          const { id, sha } = this.session;
          return {
            kind: 'listed',
            session: id,
            sliceSizeBytes,
            serial,
            sessionDelete,
            stored: stored.reverse(),
            sizeBytes: this.session.sizeBytes,
            ...(sha === undefined ? {} : { sha }),
          };
        }
        if (!this.object) return { kind: 'absent' };
        return {
          kind: 'present',
          location: LOCATION,
          sizeBytes: this.object.sizeBytes,
          ...(this.object.sha === undefined ? {} : { sha: this.object.sha }),
        };
      }
      case 'send': {
        if (!command.session) {
          rule('one request has it all', sameRange(command.range, { offset: 0, length: sizeBytes }));
          if (this.object && !overwrite) return refused('exists', -177);
          if (this.session) return { kind: 'conflict', error: refused('conflict', -4020) };
          this.object = { sizeBytes, ours: true, sha: OUR_SHA };
          return { kind: 'present', location: LOCATION };
        }
        if (command.session.id !== this.session?.id) return { kind: 'session-gone', error: refused('not-found', -197) };
        rule(
          'slices tile the file exactly',
          sameRange(command.range, this.#tile(command.range.offset / sliceSizeBytes)),
        );
        this.session.stored.set(command.range.offset, command.range.length);
        return { kind: 'stored' };
      }
      case 'finish': {
        if (command.session.id !== this.session?.id) return { kind: 'session-gone', error: refused('not-found', -197) };
        let bytes = 0;
        for (const length of this.session.stored.values()) bytes += length;
        if (bytes !== sizeBytes) return { kind: 'incomplete', error: refused('bad-request', -5999) };
        if (this.session.sha !== command.session.sha) return refused('bad-request', -29094);
        if (this.session.sha !== undefined && !this.session.ours) return refused('integrity', -4016);
        this.object = { sizeBytes, ours: this.session.ours, ...(this.session.sha ? { sha: this.session.sha } : {}) };
        this.session = undefined;
        return { kind: 'present', location: LOCATION };
      }
      case 'discard':
        rule('only a server that can is asked to remove one session', command.exact === exact);
        if (this.session?.id === command.session) this.session = undefined;
        // One that cannot is not asked at all when something else is there.
        else if (!exact) return { kind: 'absent' };
        return { kind: 'discarded' };
      default:
        throw new Error(`not a request: ${command.type}`);
    }
  }

  forgetSession(): void {
    this.session = undefined;
  }

  /** Whoever else uploads to the path has stored everything. */
  othersFinish(): void {
    // A lenient server makes one upload of two: then they are no others.
    if (!this.session || this.session.ours || this.#history.lenient) return;
    const { sha, sizeBytes } = this.session;
    this.object = { sizeBytes, ours: false, ...(sha === undefined ? {} : { sha }) };
    this.session = undefined;
  }

  forgetSlice(pick: number): void {
    const offsets = [...(this.session?.stored.keys() ?? [])];
    const offset = offsets[pick % Math.max(1, offsets.length)];
    if (offset !== undefined) this.session?.stored.delete(offset);
  }

  #open(sha: string | undefined, sizeBytes: number, ours: boolean): NonNullable<ModelServer['session']> {
    this.#sessions += 1;
    this.session = {
      id: `session-${this.#sessions}`,
      ours,
      sizeBytes,
      stored: new Map(),
      ...(sha === undefined ? {} : { sha }),
    };
    return this.session;
  }

  #ourSha(): string | undefined {
    return this.#history.integrity === 'sha1' ? OUR_SHA : undefined;
  }

  #tile(index: number): ByteRange {
    const { sizeBytes, serverSliceSizeBytes } = this.#history;
    const offset = index * serverSliceSizeBytes;
    return { offset, length: Math.max(0, Math.min(serverSliceSizeBytes, sizeBytes - offset)) };
  }
}

export function refused(
  code: 'integrity' | 'exists' | 'conflict' | 'not-found' | 'bad-request',
  wireCode: number,
): CosSliceError {
  return new CosSliceError(code, code, { wireCode });
}
