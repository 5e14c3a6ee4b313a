import type { Hosts } from './hosts.ts';
import { type Reply, SimulatedRequest, SimulatedResponse } from './pair.ts';
import type { World } from './world/world.ts';

/** A request on its way, and at what pace. */
export interface Parcel {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Where the body is cut, and when each piece arrives after the head, in ms. */
  readonly pieces: readonly { readonly endBytes: number; readonly atMs: number }[];
  /** The connection breaks before this piece arrives. */
  readonly breaksBefore?: number | undefined;
}

/** What comes of it, told at the server's end: whoever hears of it adds the way back. */
export interface DeliveryEnd {
  refused(): void;
  replied(reply: Reply): void;
  broken(): void;
}

export interface Delivery {
  /** The other end has gone. */
  cut(): void;
}

/** Brings a request to a server, after a while. */
export function deliver(world: World, hosts: Hosts, parcel: Parcel, afterMs: number, end: DeliveryEnd): Delivery {
  let isCut = false;
  let breakOff = (): void => {};

  const arrive = (): void => {
    if (isCut) return;
    const host = hosts.choose();
    if (!host) return end.refused();
    const { process, server, answering } = host;
    world.after(0, process, () => {
      if (isCut) return;
      const request = new SimulatedRequest(parcel.method, parcel.url, parcel.headers);
      let isOver = false;
      const over = (act: () => void): void => {
        if (isOver) return;
        isOver = true;
        process.onDeath.delete(onDeath);
        act();
      };
      const onDeath = (): void => over(end.broken);
      process.onDeath.add(onDeath);
      const response = new SimulatedResponse(request, (reply) => over(() => end.replied(reply)));
      const close = (): void => {
        if (!request.complete) request.destroy(new Error('aborted'));
        request.socket.emit('close');
        response.destroy();
      };
      breakOff = () => world.after(world.random.between(0.1, 20), process, close);
      // What a server does to a request it does to the connection.
      request.once('close', () => {
        if (!request.complete) response.destroy();
      });
      response.once('close', () => over(end.broken));
      response.on('error', () => {});
      answering.set(request, `${parcel.method} ${parcel.url} since ${(world.nowMs / 1000).toFixed(3)}`);
      server
        .handle(request, response)
        .catch((error: unknown) => world.complain(`${process.name} rejects a request: ${error}`))
        .finally(() => answering.delete(request));
      let sentBytes = 0;
      parcel.pieces.forEach(({ endBytes, atMs }, index) => {
        const startBytes = sentBytes;
        sentBytes = endBytes;
        world.after(atMs, process, () => {
          if (request.destroyed) return;
          if (index === parcel.breaksBefore) return close();
          if (endBytes > startBytes) request.push(parcel.body.subarray(startBytes, endBytes));
          if (index === parcel.pieces.length - 1) request.finish();
        });
      });
    });
  };
  world.after(afterMs, world.nature, arrive);
  return {
    cut() {
      isCut = true;
      breakOff();
    },
  };
}
