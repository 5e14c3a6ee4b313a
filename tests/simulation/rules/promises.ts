import type { WireResponse } from '@cos-slice/core';
import type { Listener } from '../network.ts';
import { type Fields, type Listed, readReply } from '../requests.ts';
import type { World } from '../world/world.ts';

/** What servers have told of slices, whoever asked. */
export interface SlicePromises {
  /** For one upload, however often its process dies. */
  listener(name: string): Listener & { restart(): void; fileChanged(): void };
  /** Whether slices of the session were acknowledged. */
  hasSlices(session: string): boolean;
}

/**
 * A slice that was acknowledged is not sent again while its session lives and its file is what it was, and no list forgets it.
 */
export function createSlicePromises(world: World): SlicePromises {
  /** When slices were acknowledged, by session and offset. */
  const acknowledged = new Map<string, Map<number, number>>();
  const slicesOf = (session: string): Map<number, number> => {
    const slices = acknowledged.get(session) ?? new Map<number, number>();
    acknowledged.set(session, slices);
    return slices;
  };

  return {
    hasSlices: (session) => (acknowledged.get(session)?.size ?? 0) > 0,
    listener(name) {
      const troubles = new Map<string, number>();
      /** What this process knows of: another one may have heard of more. */
      let known = new Set<string>();
      let mayRepeat = false;
      let listAskedAtMs = 0;
      let opened: Fields | undefined;

      function heardList({ session, offsets, covers }: Listed): void {
        for (const [offset, atMs] of slicesOf(session)) {
          if (atMs < listAskedAtMs && covers(offset) && !offsets.has(offset)) {
            world.complain(`${name}: slice ${offset} was acknowledged and is not listed any more`);
          }
        }
        for (const offset of offsets) known.add(`${session} ${offset}`);
      }

      return {
        troubles,
        get opened() {
          return opened;
        },
        restart() {
          known = new Set();
        },
        /** What is stored of it is of other content from here on, and has to be sent again. */
        fileChanged() {
          mayRepeat = true;
        },
        sent(fields: Fields) {
          const { op, session, offset } = fields;
          if (op === 'upload_slice_init') opened = fields;
          if (op === 'upload_slice_list') listAskedAtMs = world.nowMs;
          if (op === 'upload_slice_data' && !mayRepeat && known.has(`${session} ${offset}`)) {
            world.complain(`${name} sends slice ${offset} again, which was acknowledged`);
          }
        },
        heard(fields: Fields, response: WireResponse) {
          const { op, session = '', offset } = fields;
          const { status, body } = response;
          const isFailing = status >= 500 || status === 429 || /<Code>(InternalError|SlowDown)</.test(body);
          if (isFailing) troubles.set('5xx', (troubles.get('5xx') ?? 0) + 1);
          const { isDone, listed } = readReply(fields, response);
          if (!isDone) return;
          if (op === 'upload_slice_data') {
            known.add(`${session} ${offset}`);
            slicesOf(session).set(Number(offset), world.nowMs);
          }
          if (listed) heardList(listed);
        },
      };
    },
  };
}
