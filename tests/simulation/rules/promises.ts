import type { WireResponse } from '@cos-slice/core';
import type { Fields, Listener } from '../network.ts';
import type { World } from '../world/world.ts';

/** What servers have told of slices, whoever asked. */
export interface SlicePromises {
  /** For one upload, however often its process dies. */
  listener(name: string): Listener & { restart(): void };
  /** Whether slices of the session were acknowledged. */
  hasSlices(session: string): boolean;
}

interface Reply {
  readonly code?: unknown;
  readonly data?: { readonly session?: string; readonly listparts?: readonly { offset: number; datalen: number }[] };
}

/**
 * A slice that was acknowledged is not sent again while its session lives, and no list forgets it.
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
      let listAskedAtMs = 0;
      let opened: Fields | undefined;

      function heardList({ session, listparts }: NonNullable<Reply['data']>): void {
        if (session === undefined || !listparts) return;
        const listed = new Set(listparts.map(({ offset }) => offset));
        for (const [offset, atMs] of slicesOf(session)) {
          if (atMs < listAskedAtMs && !listed.has(offset)) {
            world.complain(`${name}: slice ${offset} was acknowledged and is not listed any more`);
          }
        }
        for (const offset of listed) known.add(`${session} ${offset}`);
      }

      return {
        troubles,
        get opened() {
          return opened;
        },
        restart() {
          known = new Set();
        },
        sent(fields: Fields) {
          const { op, session, offset } = fields;
          if (op === 'upload_slice_init') opened = fields;
          if (op === 'upload_slice_list') listAskedAtMs = world.nowMs;
          if (op === 'upload_slice_data' && known.has(`${session} ${offset}`)) {
            world.complain(`${name} sends slice ${offset} again, which was acknowledged`);
          }
        },
        heard({ op, session = '', offset }: Fields, { status, body }: WireResponse) {
          if (status >= 500 || status === 429) troubles.set('5xx', (troubles.get('5xx') ?? 0) + 1);
          const { code, data } = parse(body);
          if (code !== 0) return;
          if (op === 'upload_slice_data') {
            known.add(`${session} ${offset}`);
            slicesOf(session).set(Number(offset), world.nowMs);
          }
          if (op === 'upload_slice_list' && data) heardList(data);
        },
      };
    },
  };
}

function parse(body: string): Reply {
  try {
    return (JSON.parse(body) as Reply | null) ?? {};
  } catch {
    return {};
  }
}
