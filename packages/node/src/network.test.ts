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
