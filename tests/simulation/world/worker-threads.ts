/** There are no threads in a simulation; what would start one has another way. */
export class Worker {
  constructor() {
    throw new Error('a simulated process has one thread');
  }
}
