import { execFile, spawnSync } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createNetwork } from './network.ts';

test('an endpoint on this machine is always online', () => {
  for (const endpoint of [
    'http://127.0.0.1:9000/files/v2',
    'http://localhost',
    'http://[::1]:80',
    'http://a.localhost',
  ]) {
    const network = createNetwork(endpoint);
    expect(network.online()).toBe(true);
  }
});

test('a check while online tells nobody', () => {
  const network = createNetwork('http://127.0.0.1');
  let calls = 0;
  const unsubscribe = network.subscribe(() => {
    calls += 1;
  });
  network.check();
  unsubscribe();
  expect(calls).toBe(0);
});

const inNamespace = ['--map-root-user', '--net'];
const addLink =
  'ip link add v0 type veth peer name v1 && ip addr add 10.9.8.9/24 dev v0 && ip link set v0 up && ip link set v1 up';
const canIsolate = spawnSync('unshare', [...inNamespace, 'sh', '-c', addLink]).status === 0;

// In a network namespace of its own a process has no network, until it makes itself one.
test.skipIf(!canIsolate)('a machine without addresses is offline, and told when it has one', async () => {
  const script = `
    import { execSync } from 'node:child_process';
    import { createNetwork } from '@cos-slice/node';
    const network = createNetwork('http://example.com');
    const seen = [network.online(), createNetwork('http://localhost').online()];
    network.subscribe(() => {
      console.log(JSON.stringify([...seen, network.online()]));
      process.exit();
    });
    execSync('${addLink}');`;
  const { stdout } = await promisify(execFile)(
    'unshare',
    [...inNamespace, process.execPath, '--input-type=module', '-e', script],
    { cwd: import.meta.dirname, timeout: 180_000 },
  );
  expect(JSON.parse(stdout)).toEqual([false, true, true]);
});
