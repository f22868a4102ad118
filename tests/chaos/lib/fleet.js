'use strict';
// The devices of a run: a simulated fleet whose devices are slow, fail, stay silent, answer twice, lie and wander between the
// edges, and some that never connect.

const path = require('node:path');
const { startJsonLines } = require('../../e2e/lib/processes');
const { sleep } = require('./nemesis');

// Answers take this long; with little credit a job over the whole fleet takes many times as long.
const DELAY = { least: 0.1, most: 4 };

class Fleet {
  constructor({ binDir, count, prefix, packetLog, wander = '40s' }) {
    Object.assign(this, { count, prefix, packetLog });
    this.connected = 0;
    this.ids = Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`);
    this.sim = startJsonLines(path.join(binDir, 'fleetsim'), ['--devices', String(count), '--prefix', prefix, '--register', '--plain',
      '--connect-rate', '400', '--reconnect-limit', '2s', '--reconnect-every', wander, '--keep-alive', '20s',
      '--method-delay', `${DELAY.least}s`, '--method-delay-max', `${DELAY.most}s`,
      '--method-fail-share', '0.05', '--method-ignore-share', '0.02', '--answer-twice-share', '0.03', '--lie-share', '0.02',
      '--stamp-answers', '--apply-desired', '--log-packets', packetLog],
    (line) => { if (typeof line.connected === 'number') this.connected = line.connected; });
  }

  async ready() {
    const end = Date.now() + 120_000;
    while (this.connected < this.count) {
      if (Date.now() > end || this.sim.child.exitCode !== null) throw new Error(`${this.connected} of ${this.count} devices are connected`);
      await sleep(0.2);
    }
  }

  stop() { return this.sim.stop(); }
}

module.exports = { Fleet, DELAY };
