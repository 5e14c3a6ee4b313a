import { createSliceServer, fileStore, type SliceServer, type SliceServerOptions, type Store } from '@cos-slice/server';
import { type Cloud, cloudStore } from '@cos-slice/server/testing';
import type { ObjectGateway } from './gateway.ts';
import { ACCOUNT, ROOT } from './names.ts';
import type { SimulatedRequest, SimulatedResponse } from './pair.ts';
import type { Scenario } from './scenario.ts';
import type { Machine, Process, World } from './world/world.ts';

const DRAIN_MS = 61_000;

/** What answers requests: a server of ours, or a gateway of an object storage. */
export interface Server {
  handle(request: SimulatedRequest, response: SimulatedResponse): Promise<void>;
  close(): Promise<void>;
}

/** A server that runs. */
export interface Host {
  readonly process: Process;
  readonly server: Server;
  /** Requests that it has not answered yet, and when they came. */
  readonly answering: Map<object, string>;
}

/** What the servers of a world share. */
export interface Shared {
  readonly cloud: Cloud | undefined;
  /** What clients speak to instead of servers of ours. */
  readonly gateway: ObjectGateway | undefined;
}

/** The servers of a world: they die and come back, and share one store. */
export interface Hosts {
  /** Where the next request goes; undefined when nobody answers there. */
  choose(): Host | undefined;
  /** Starts the server of that number, unless it runs. */
  start(number: number): Promise<void>;
  find(number: number): Host | undefined;
  /** Stops it as its owner does. */
  close(number: number): Promise<void>;
  readonly machines: readonly Machine[];
  /** Starts one more, which only cleans up. */
  startJanitor(): Promise<Host>;
  readonly count: number;
}

export function createHosts(world: World, scenario: Scenario, { cloud, gateway }: Shared): Hosts {
  const { store, servers, fsync } = scenario;
  // Whoever shares a disk shares a machine.
  const shared: Machine = { name: 'machine', skewMs: servers[0]?.skewMs ?? 0 };
  const machines = servers.map(({ skewMs }, index) =>
    store === 'files' ? shared : { name: `machine-${index + 1}`, skewMs },
  );
  const running = new Map<number, Host>();
  const used = new Set<string>();

  async function open(name: string, machine: Machine): Promise<Host> {
    const process = world.start(name, machine);
    const opened = new Promise<Server>((resolve, reject) => {
      world.after(0, process, () => {
        if (gateway) return resolve({ handle: gateway.handle, close: async () => {} });
        const place: Store = cloud ? cloudStore(cloud) : fileStore(ROOT, { fsync });
        const options: SliceServerOptions = {
          store: place,
          accounts: [ACCOUNT],
          sliceSize: scenario.slice,
          serialUpload: scenario.serial,
          instantFrom: scenario.instantFrom,
          sessionTtlMs: Math.ceil(scenario.sessionTtlMs),
          ...(cloud && { onceRegister: { use: async (id: string) => used.size !== used.add(id).size } }),
          onRequest({ fault }) {
            if (fault instanceof TypeError || fault instanceof RangeError || fault instanceof ReferenceError) {
              world.complain(`${process.name} has a bug: ${fault.stack}`);
            }
          },
        };
        const server = createSliceServer(options);
        place.open().then(
          () => resolve(serverOf(server)),
          (error) => {
            process.alive = false;
            reject(error);
          },
        );
      });
    });
    return { process, server: await opened, answering: new Map() };
  }

  const hosts: Hosts = {
    machines,
    count: servers.length,
    choose() {
      const host = running.get(world.random.below(servers.length));
      return host?.process.alive ? host : undefined;
    },
    find: (number) => running.get(number),
    async start(number) {
      const machine = machines[number];
      if (!machine || running.get(number)?.process.alive) return;
      const name = `server-${number + 1}`;
      try {
        running.set(number, await open(name, machine));
        world.tell(`${name} is up`);
      } catch (error) {
        world.tell(`${name} cannot start: ${error}`);
        world.after(1000, world.nature, () => void hosts.start(number));
      }
    },
    async close(number) {
      const host = running.get(number);
      if (!host?.process.alive) return;
      running.delete(number);
      await host.server.close();
      // Where it does not listen itself, what is still on its way to it runs out by itself.
      await world.sleep(world.nature, DRAIN_MS);
      checkNothingLeft(world, host);
    },
    startJanitor: () => open('janitor', { name: 'machine', skewMs: machines[0]?.skewMs ?? 0 }),
  };
  return hosts;
}

function serverOf(server: SliceServer): Server {
  return {
    handle: (request, response) => server.handle(request.forServer(), response.forServer()),
    close: () => server.close(),
  };
}

/** What a server that has been closed must not keep. */
export function checkNothingLeft(world: World, { process }: Host): void {
  for (const timer of process.timers) world.tell(`left: ${(timer as { readonly origin?: string }).origin}`);
  if (process.timers.size > 0) world.complain(`${process.name} is closed and has ${process.timers.size} timers`);
  if (process.handles.size > 0) world.complain(`${process.name} is closed and has ${process.handles.size} open files`);
  process.alive = false;
}
