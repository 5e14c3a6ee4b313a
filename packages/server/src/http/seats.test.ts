import { expect, test } from 'vitest';
import { createSeats, type Release, type Seats } from './seats.ts';

const here = new AbortController().signal;

/** Asks for a seat, and notes when there is one. */
function ask(seats: Seats, client: string, seated: string[], gone = here) {
  const asked: { release?: Release; refused?: unknown } = {};
  const sit = (release: Release): void => {
    seated.push(client);
    asked.release = release;
  };
  try {
    const seat = seats.take(client, gone);
    if (typeof seat === 'function') sit(seat);
    else seat.then(sit, (error) => Object.assign(asked, { refused: error }));
  } catch (error) {
    asked.refused = error;
  }
  return asked;
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('whoever has few seats does not wait behind the many requests of another', async () => {
  const seats = createSeats(4);
  const seated: string[] = [];
  const greedy = Array.from({ length: 12 }, () => ask(seats, 'greedy', seated));
  // Half of the seats are for others.
  expect(seated).toEqual(['greedy', 'greedy']);
  const modest = [1, 2, 3].map(() => ask(seats, 'modest', seated));
  expect(seated).toEqual(['greedy', 'greedy', 'modest', 'modest']);
  modest[0]?.release?.();
  await turn();
  expect(seated.at(-1)).toBe('modest');
  greedy[0]?.release?.();
  await turn();
  expect(seated.at(-1)).toBe('greedy');
  expect(seated).toHaveLength(6);
});

test('of those who wait, whoever has the fewest seats is next', async () => {
  const seats = createSeats(4);
  const seated: string[] = [];
  const [first] = ['a', 'a', 'b', 'c'].map((client) => ask(seats, client, seated));
  for (const client of ['b', 'c', 'd']) ask(seats, client, seated);
  first?.release?.();
  await turn();
  expect(seated).toEqual(['a', 'a', 'b', 'c', 'd']);
});

test('a crowd is told when to come again, and the one who has most waiting gives way', async () => {
  const seats = createSeats(2);
  const seated: string[] = [];
  const greedy = Array.from({ length: 10 }, () => ask(seats, 'greedy', seated));
  expect(greedy.at(-1)?.refused).toMatchObject({ code: -5997, status: 503, retryAfterSec: 5 });
  ask(seats, 'modest', seated);
  const waits = ask(seats, 'modest', seated);
  await turn();
  expect(waits.refused).toBeUndefined();
  expect(greedy.filter(({ refused }) => refused)).toHaveLength(2);
  expect(seated).toEqual(['greedy', 'modest']);
});

test('nobody waits for ever, and nobody is waited for who has gone', async () => {
  const seats = createSeats(1, 20);
  const seated: string[] = [];
  const [sitting, late] = [ask(seats, 'a', seated), ask(seats, 'a', seated)];
  await expect.poll(() => late.refused).toMatchObject({ code: -5997 });
  const gone = new AbortController();
  ask(seats, 'b', seated, gone.signal);
  gone.abort();
  sitting.release?.();
  sitting.release?.();
  await turn();
  expect(seated).toEqual(['a']);
  ask(seats, 'c', seated);
  expect(seated).toEqual(['a', 'c']);
});
