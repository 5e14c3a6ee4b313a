import type { World } from './world.ts';

let world: World | undefined;

/** The world that the thread simulates at the moment: what stands in for the runtime's own modules acts in it. */
export function current(): World {
  return world as World;
}

export function enter(next: World): void {
  world = next;
}
