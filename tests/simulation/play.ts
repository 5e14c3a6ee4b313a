import { createClient } from './clients.ts';
import { createSimulatedCloud, type SimulatedCloud } from './cloud.ts';
import { createObjectGateway, type ObjectGateway } from './gateway.ts';
import { checkNothingLeft, createHosts, type Hosts } from './hosts.ts';
import { ROOT } from './names.ts';
import { createNetwork } from './network.ts';
import { download } from './readers.ts';
import { createObjectRules, type ObjectRules, readDiskObject, watchDiskObjects } from './rules/objects.ts';
import { createSlicePromises, type SlicePromises } from './rules/promises.ts';
import { drawScenario, type Scenario, type ServerEvent } from './scenario.ts';
import { PROFILES } from './speech.ts';
import { enter } from './world/current.ts';
import { forgetFiles } from './world/file-handle.ts';
import { createStorage, type Storage } from './world/storage.ts';
import { Death, World } from './world/world.ts';

/** What came of a seed. */
export interface Played {
  readonly seed: number;
  readonly problems: readonly string[];
  readonly story: readonly string[] | undefined;
  readonly happenings: number;
  readonly simulatedMs: number;
  /** How the uploads ended: how often `done`, and which error. */
  readonly outcomes: ReadonlyMap<string, number>;
}

class StoredWorld extends World {
  storage: Storage | undefined;
}

const HOUR_MS = 3_600_000;
/** An upload that has not ended by then never will. */
const PATIENCE_MS = 6 * HOUR_MS;
/** Requests that are late, and what they lead to. */
const AFTERMATH_MS = 200_000;
const CLOSING_MS = 120_000;

/** Plays what a seed has drawn to its end, and looks whether every promise was kept. */
export async function play(seed: number, isTold = false): Promise<Played> {
  const world = new StoredWorld(seed, isTold);
  enter(world);
  forgetFiles();
  const onRejection = (reason: unknown): void => {
    if (reason instanceof Death) return;
    world.complain(`nobody handles ${reason instanceof Error ? reason.stack : reason}`);
  };
  process.on('unhandledRejection', onRejection);
  try {
    const scenario = drawScenario(world.random);
    const outcomes = await unfold(world, scenario);
    const { happenings, nowMs, problems, story } = world;
    return { seed, problems, story, happenings, simulatedMs: nowMs, outcomes };
  } finally {
    process.off('unhandledRejection', onRejection);
  }
}

async function unfold(world: StoredWorld, scenario: Scenario): Promise<Map<string, number>> {
  const { clients: plans, healsAtMs, events } = scenario;
  const objects = createObjectRules(world);
  const { speech, store, cloudFailing } = scenario;
  const gateway = speech === 'json' ? undefined : createObjectGateway(world, PROFILES[speech], cloudFailing);
  const cloud = store === 'cloud' && !gateway ? createSimulatedCloud(world, cloudFailing) : undefined;
  if (gateway) gateway.onChange = objects.seen;
  else if (cloud) watchCloudObjects(cloud, objects);
  else prepareDisk(world, scenario, objects);
  const hosts = createHosts(world, scenario, { cloud, gateway });
  const network = createNetwork(world, hosts, scenario);
  const promises = createSlicePromises(world);
  world.tell(describe(scenario));

  for (let number = 0; number < hosts.count; number++) void hosts.start(number);
  const clients = plans.map((plan) => createClient({ world, scenario, network, objects, promises }, plan));
  for (const event of events)
    world.after(event.atMs, world.nature, () => befall({ world, hosts, objects, promises, cloud, gateway }, event));
  for (const { atMs, path } of scenario.readers) {
    world.after(atMs, world.nature, () => download(world, hosts, path, { objects, speech }));
  }
  world.after(healsAtMs, world.nature, () => {
    world.tell('from now on nothing goes wrong');
    network.heal();
    cloud?.heal();
    gateway?.heal();
    world.storage?.heal();
    for (const client of clients) client.heal();
  });

  const untilMs = healsAtMs + PATIENCE_MS;
  const areOver = await world.run(() => clients.every(({ isOver }) => isOver), untilMs);
  const outcomes = new Map<string, number>();
  for (const client of clients) {
    for (const [name, outcome] of client.outcomes) {
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (outcome === 'has not ended' && world.problems.length === 0) world.complain(`${name} has not ended`);
    }
  }
  if (world.problems.length > 0) return outcomes;
  if (areOver) {
    await world.run(() => false, Math.max(healsAtMs, world.nowMs) + AFTERMATH_MS);
    for (const client of clients) client.check();
  }
  await closeAll(world, hosts);
  if (world.problems.length === 0) await cleanUp(world, scenario, hosts, cloud);
  return outcomes;
}

function prepareDisk(world: StoredWorld, scenario: Scenario, objects: ObjectRules): void {
  const storage = createStorage(world, scenario.disk, ({ name }) => {
    throw new Death(`${name} is dead`);
  });
  world.storage = storage;
  storage.disk.create(ROOT, true);
  storage.disk.sync(storage.disk.at('/', 'sync'));
  watchDiskObjects(world, storage.disk, objects);
}

const CLOUD_OBJECT = /^object\/[^/]+\/[^/]+\/(.*)$/s;

function watchCloudObjects(cloud: SimulatedCloud, objects: ObjectRules): void {
  cloud.onChange = (key, _before, after) => {
    const path = CLOUD_OBJECT.exec(key)?.[1];
    if (path !== undefined) objects.seen(path, after?.bytes);
  };
}

interface Site {
  readonly world: StoredWorld;
  readonly hosts: Hosts;
  readonly objects: ObjectRules;
  readonly promises: SlicePromises;
  readonly cloud: SimulatedCloud | undefined;
  readonly gateway: ObjectGateway | undefined;
}

function befall({ world, hosts, objects, promises, cloud, gateway }: Site, event: ServerEvent): void {
  world.tell(`it happens: ${event.what}`);
  const startLater = (number: number, forMs: number): void => {
    world.after(forMs, world.nature, () => void hosts.start(number));
  };
  switch (event.what) {
    case 'die': {
      const host = hosts.find(event.server);
      if (!host?.process.alive) return;
      host.process.callsLeft = Math.min(host.process.callsLeft, event.afterCalls);
      host.process.onDeath.add(() => startLater(event.server, event.forMs));
      return;
    }
    case 'restart':
      void hosts.close(event.server);
      startLater(event.server, event.forMs + CLOSING_MS);
      return;
    case 'power-failure': {
      const { storage } = world;
      for (let number = 0; number < hosts.count; number++) {
        const host = hosts.find(number);
        if (host) world.kill(host.process);
        startLater(number, event.forMs);
      }
      if (!storage) return;
      const before = sessionsOn(storage);
      const { observer } = storage.disk;
      storage.disk.observer = {};
      storage.disk.losePower(world.random);
      storage.disk.observer = observer;
      const after = new Set(sessionsOn(storage));
      for (const session of before) {
        if (promises.hasSlices(session) && !after.has(session)) {
          world.complain(`the power failed, and slices that were acknowledged are gone with their session`);
        }
      }
      objects.lookAgain((path) => readDiskObject(storage.disk, path));
      return;
    }
    case 'disk-full': {
      const { storage } = world;
      if (!storage) return;
      storage.disk.isFull = true;
      world.after(event.forMs, world.nature, () => {
        storage.disk.isFull = false;
      });
      return;
    }
    case 'clock-jumps': {
      const machine = hosts.machines[event.server];
      if (machine) machine.skewMs += event.byMs;
      return;
    }
    case 'session-dropped':
      if (gateway) gateway.drop(event.path);
      else if (!cloud) dropSession(world, event.path);
  }
}

/** The ids of the unfinished uploads on a disk. */
function sessionsOn({ disk }: Storage): string[] {
  const folders = [...(disk.find(`${ROOT}/.cos-slice/sessions`)?.entries.values() ?? [])];
  return folders.flatMap(({ entries }) => {
    const [, id] = /^\{.*"id":"(\w+)"/.exec(entries.get('meta.json')?.bytes.toString() ?? '') ?? [];
    return id === undefined ? [] : [id];
  });
}

/** What an owner does who tidies up by hand. */
function dropSession(world: StoredWorld, path: string): void {
  const { storage } = world;
  const sessions = storage?.disk.find(`${ROOT}/.cos-slice/sessions`);
  for (const [name, { entries }] of sessions?.entries ?? []) {
    const meta = entries.get('meta.json')?.bytes.toString();
    if (!meta?.includes(`"path":${JSON.stringify(path)}`)) continue;
    storage?.disk.rename(`${ROOT}/.cos-slice/sessions/${name}`, `/dropped-${world.nowMs}-${name}`);
  }
}

async function closeAll(world: World, hosts: Hosts): Promise<void> {
  for (let number = 0; number < hosts.count; number++) {
    let isClosed = false;
    const host = hosts.find(number);
    if (!host?.process.alive) continue;
    const { process, answering } = host;
    world.after(0, process, () => {
      hosts.close(number).then(
        () => {
          isClosed = true;
        },
        (error) => world.complain(`${process.name} cannot be closed: ${error}`),
      );
    });
    if (!(await world.run(() => isClosed, world.nowMs + CLOSING_MS)) && world.problems.length === 0) {
      for (const request of answering.values()) world.tell(`${process.name} still answers ${request}`);
      world.complain(`${process.name} does not come to its end`);
    }
  }
}

/** Long afterwards somebody looks: nothing of all this is left but the objects. */
async function cleanUp(
  world: StoredWorld,
  { sessionTtlMs }: Scenario,
  hosts: Hosts,
  cloud: SimulatedCloud | undefined,
): Promise<void> {
  await world.run(() => false, world.nowMs + sessionTtlMs + 5 * HOUR_MS);
  const opened = hosts.startJanitor();
  const ready = opened.then((host) => ({ host }));
  let janitor: Awaited<typeof opened> | undefined;
  void ready.then(({ host }) => {
    janitor = host;
  });
  await world.run(() => janitor !== undefined, world.nowMs + 60_000);
  if (!janitor) return world.complain('no server can be started any more');
  await world.run(() => false, world.nowMs + 11 * 60_000);
  let isClosed = false;
  const { process, server } = janitor;
  world.after(0, process, () => void server.close().then(() => (isClosed = true)));
  await world.run(() => isClosed, world.nowMs + CLOSING_MS);
  checkNothingLeft(world, janitor);
  const own = `${ROOT}/.cos-slice`;
  for (const folder of ['spool', 'sessions']) {
    const left = world.storage?.disk.find(`${own}/${folder}`)?.entries.size ?? 0;
    if (left === 0) continue;
    world.complain(`${left} entries are left in ${folder}`);
    for (const [path, { bytes }] of world.storage?.disk.files(`${own}/${folder}`) ?? []) {
      world.tell(`left: ${path}, ${bytes.length} bytes: ${bytes.toString('latin1').slice(0, 200)}`);
    }
  }
  for (const key of cloud?.entries.keys() ?? []) {
    if (key.startsWith('session/')) world.complain(`${key} is left in the cloud`);
  }
}

function describe({ speech, store, fsync, servers, fates, events, clients }: Scenario): string {
  const uploads = clients.reduce((count, client) => count + client.uploads.length, 0);
  const kind = speech === 'json' ? `servers on ${store}` : `gateways (${speech})`;
  const where = `${servers.length} ${kind}${fsync ? ' that are forced to the disk' : ''}`;
  const what = Object.entries(fates).map(([name, share]) => `${name} ${(100 * share).toFixed(1)}%`);
  return `${uploads} uploads of ${clients.length} clients to ${where}; ${what.join(', ') || 'a good line'}; ${events.length} events`;
}
