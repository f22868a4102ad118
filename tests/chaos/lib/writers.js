'use strict';
// Clients that write twins and call methods directly, next to the jobs.

const { sleep } = require('./nemesis');

class Writers {
  constructor({ api, fleet, offline, random, run }) {
    Object.assign(this, { api, fleet, offline, random, run });
    this.stopping = false;
  }

  // A client with a few devices of its own and a key of its own in their desired properties: tokens in order.
  async #twins(number) {
    const random = this.random.fork();
    const devices = random.shuffle(this.fleet.ids).slice(0, 5);
    for (let n = 1; !this.stopping; ++n) {
      const device = random.pick(devices);
      // Twice at once now and then: changes that are published together must still arrive in order.
      const patches = random.chance(0.4) ? 3 : 1;
      await Promise.all(Array.from({ length: patches }, (_, i) => this.api.patchTwin(device,
        { writers: { [`${number}-${i}`]: `${this.run}/${number}-${i}/${n}` } })));
      if (random.chance(0.2)) await this.api.getTwin(device);
      await sleep(random.between(0.05, 0.4));
    }
  }

  async #methods(number) {
    const random = this.random.fork();
    for (let n = 1; !this.stopping; ++n) {
      const device = random.chance(0.1) ? random.pick(this.offline) : random.pick(this.fleet.ids);
      await this.api.method(device, { token: `${this.run}/direct-${number}/${n}` }, 6, random.chance(0.3) ? 3 : 0);
      await sleep(random.between(0.1, 0.6));
    }
  }

  start(twins, methods) {
    this.done = Promise.all([
      ...Array.from({ length: twins }, (_, i) => this.#twins(i)),
      ...Array.from({ length: methods }, (_, i) => this.#methods(i)),
    ]);
  }

  async stop() {
    this.stopping = true;
    await this.done;
  }
}

module.exports = { Writers };
