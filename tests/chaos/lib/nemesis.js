'use strict';
// Who breaks things: a schedule of faults drawn from the seed. Every kind comes once before any comes again.
//
// A fault is { kind, lasts(s), begin(), end() }. Two lanes run side by side, so that a pause of one process overlaps with kills of
// others; now and then both rest, so that rules that need a healthy window have one.

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

// Longer than twice the lease of who is paused: schedulers and edges 10 s, the feed of twin 10 s.
const PAUSES = { scheduler: 24, mqtt_edge: 24, twin: 22, device_connection: 16, method_dispatch: 16, job_api: 8, rest_gateway: 8 };
const SLOW = 1; // Seconds of slow commits before a scheduler is stopped.
const SERVICES = Object.keys(PAUSES);
// In this order. Reliability 3.3, smoke set: 1, 2, 4, 7, 8, 11, 21, 30 (devices do that all the time), 40.
const SMOKE = ['kill job_api', 'kill scheduler', 'kill mqtt_edge', 'pause scheduler', 'postgres crash', 'redis flush', 'drain mqtt_edge',
  'kill everything'];

class Nemesis {
  constructor({ stack, history, random }) {
    Object.assign(this, { stack, history, random });
    this.counts = {};
    this.paused = new Map(); // Name -> pid.
    this.stopping = false;
    this.ids = 0;
  }

  #named(service) {
    return Object.entries(this.stack.pids()).filter(([name]) => name === service || name.startsWith(`${service}_`));
  }

  #signal(processes, signal) {
    for (const [, pid] of processes) {
      try { process.kill(pid, signal); } catch { /* It is gone already. */ }
    }
  }

  #one(service) {
    const free = this.#named(service).filter(([name]) => !this.paused.has(name));
    return free.length === 0 ? [] : [this.random.pick(free)];
  }

  #kill(service, all = false) {
    return {
      lasts: 3, lane: 'kills',
      choose: () => (all ? this.#named(service) : this.#one(service)),
      begin: (processes) => this.#signal(processes, 'SIGKILL'),
    };
  }

  #pause(service) {
    return {
      lasts: PAUSES[service], lane: 'pauses',
      choose: () => this.#one(service),
      begin: (processes) => {
        for (const [name, pid] of processes) this.paused.set(name, pid);
        this.#signal(processes, 'SIGSTOP');
      },
      end: (processes) => {
        this.#signal(processes, 'SIGCONT');
        for (const [name] of processes) this.paused.delete(name);
      },
    };
  }

  // How long each commit waits, in microseconds (at most 100,000). The database may be away just now.
  async #delayCommits(micros) {
    for (const statement of [`ALTER SYSTEM SET commit_delay = ${micros}`, 'ALTER SYSTEM SET commit_siblings = 0',
      'SELECT to_json(pg_reload_conf())']) await this.stack.query(statement).catch(() => {});
  }

  // A scheduler that stops between the commit of its intents and their sending (reliability 3.2, m4): commits are made slow, so that
  // it is most likely waiting for one when it is stopped.
  #pauseAtIntent() {
    const fault = this.#pause('scheduler');
    return { ...fault, lasts: 17,
      begin: async (processes) => {
        await this.#delayCommits(100_000);
        await sleep(SLOW);
        fault.begin(processes);
        await this.#delayCommits(0);
      },
    };
  }

  faults() {
    const faults = {};
    for (const service of SERVICES) faults[`kill ${service}`] = this.#kill(service);
    for (const service of SERVICES) faults[`pause ${service}`] = this.#pause(service);
    faults['pause scheduler at intent'] = this.#pauseAtIntent();
    faults['kill all edges'] = this.#kill('mqtt_edge', true);
    faults['kill all schedulers'] = this.#kill('scheduler', true);
    faults['kill everything'] = { lasts: 8, lane: 'kills', choose: () => Object.entries(this.stack.pids()),
      begin: (processes) => this.#signal(processes, 'SIGKILL') };
    // What `pg_ctl -m immediate` sends: no checkpoint, recovery at the next start.
    faults['postgres crash'] = { lasts: 4, lane: 'kills', choose: () => this.#named('postgres'),
      begin: (processes) => this.#signal(processes, 'SIGQUIT') };
    faults['redis kill'] = this.#kill('redis');
    faults['redis flush'] = { lasts: 2, lane: 'kills', choose: () => this.#named('redis'), begin: () => this.stack.redis('FLUSHALL') };
    faults['redis pause'] = { ...this.#pause('redis'), lasts: 8 };
    faults['drain mqtt_edge'] = { lasts: 5, lane: 'kills', choose: () => this.#one('mqtt_edge'),
      begin: (processes) => this.#signal(processes, 'SIGTERM') };
    faults['stall and release'] = { lasts: 10, lane: 'pauses', choose: () => [['link device_connection -> mqtt_edge', 0]],
      begin: () => this.stack.proxy.hold(), end: () => this.stack.proxy.release() };
    return faults;
  }

  // False when nobody was there to be hit.
  async #apply(kind, fault) {
    let processes = fault.choose();
    for (let wait = 0; processes.length === 0 && wait < 50 && !this.stopping; ++wait) { // It is being started again.
      await sleep(0.2);
      processes = fault.choose();
    }
    if (processes.length === 0) return false;
    const id = ++this.ids;
    const names = processes.map(([name]) => name);
    this.counts[kind] = (this.counts[kind] || 0) + 1;
    this.history.add({ src: 'fault', event: 'begin', id, kind, names });
    await fault.begin(processes);
    const end = Date.now() + fault.lasts * 1000;
    while (Date.now() < end && !this.stopping) await sleep(0.1);
    if (fault.end) fault.end(processes);
    this.history.add({ src: 'fault', event: 'end', id, kind, names });
    return true;
  }

  async #lane(name, only, rest) {
    const random = this.random.fork();
    const faults = this.faults();
    const all = (only || Object.keys(faults)).filter((kind) => faults[kind]?.lane === name).map((kind) => [kind, faults[kind]]);
    while (!this.stopping && all.length > 0) {
      const round = only ? [...all] : random.shuffle(all);
      for (const [kind, fault] of round) {
        if (this.stopping) return;
        await sleep(rest * random.between(0.5, 1.5));
        while (this.resting && !this.stopping) await sleep(0.2);
        if (this.stopping) return;
        if (!await this.#apply(kind, fault)) round.push([kind, fault]); // Once more, later: every kind has to come.
      }
    }
  }

  // Breaks things for `seconds`, then heals everything. `only`: the kinds to use, in this order; default all, shuffled.
  async run(seconds, { only, rest = 2.5, quietEvery = 75, quiet = 25 } = {}) {
    const lanes = [this.#lane('pauses', only, rest), this.#lane('kills', only, rest)];
    const end = Date.now() + seconds * 1000;
    let nextQuiet = Date.now() + quietEvery * 1000;
    while (Date.now() < end) {
      await sleep(0.2);
      if (Date.now() >= nextQuiet && Date.now() + quiet * 1000 < end) {
        this.resting = true;
        await sleep(quiet);
        this.resting = false;
        nextQuiet = Date.now() + quietEvery * 1000;
      }
    }
    this.stopping = true;
    await Promise.all(lanes);
    this.heal();
  }

  // The kinds of faults that have not come.
  missing() { return Object.keys(this.faults()).filter((kind) => !this.counts[kind]); }

  heal() {
    for (const pid of this.paused.values()) this.#signal([['', pid]], 'SIGCONT');
    this.paused.clear();
    this.stack.proxy.release();
  }
}

module.exports = { Nemesis, SMOKE, sleep };
