'use strict';
// What clients do with jobs during a run: each of several clients makes one job after the other and follows it to its end.

const { now } = require('./history');
const { sleep } = require('./nemesis');

const LONGEST = 110; // Seconds: execution time, and what the scheduler and a cancel wait for late answers.
const ENDED = ['completed', 'failed', 'cancelled'];

class JobClients {
  // `offline`: devices that never connect. `smallest`: ids of the fleet that a small job may use.
  constructor({ api, fleet, offline, random, run }) {
    Object.assign(this, { api, fleet, offline, random, run });
    this.stopping = false;
    this.made = 0;
    this.giveUp = Infinity;
  }

  #targets(random, size) {
    if (size === 'all') return { ids: this.fleet.ids, condition: `STARTSWITH(deviceId, '${this.fleet.prefix}')` };
    const ids = random.shuffle(size === 'offline' ? this.offline : this.fleet.ids).slice(0, size === 'some' ? 60 : 8);
    if (size === 'offline') ids.push(...random.shuffle(this.fleet.ids).slice(0, 8));
    return { ids: ids.sort(), condition: `deviceId IN [${ids.map((id) => `'${id}'`).join(',')}]` };
  }

  #method(token, extra) {
    return { type: 'scheduleDeviceMethod', cloudToDeviceMethod: { methodName: 'chaos', payload: { token },
      responseTimeoutInSeconds: 10, ...extra }, maxExecutionTimeInSeconds: 90 };
  }

  // The kinds of jobs, with how often each is made.
  #script(random, jobId) {
    const token = `${jobId}/${Math.floor(random.next() * 1e9).toString(36)}`;
    const twin = { type: 'scheduleUpdateTwin', updateTwin: { etag: '*', properties: { desired: { jobs: { [jobId]: token } } } },
      maxExecutionTimeInSeconds: 90 };
    return random.pick([
      { size: 'all', body: this.#method(token) },
      { size: 'all', body: this.#method(token), cancelAfter: random.between(0.3, 4) },
      { size: 'all', body: this.#method(token), cancelAfter: random.between(0.3, 4) },
      { size: 'some', body: this.#method(token) },
      { size: 'some', body: this.#method(token), startIn: random.between(2, 8) },
      { size: 'few', body: this.#method(token), repeat: true },
      { size: 'few', body: this.#method(token), startIn: random.between(2, 6), repeat: true },
      { size: 'offline', body: this.#method(token, { connectTimeoutInSeconds: 6 }) },
      { size: 'all', body: { ...this.#method(token), maxExecutionTimeInSeconds: 6 } },
      { size: 'some', body: twin },
      { size: 'few', body: twin, repeat: true },
      { size: 'all', body: twin, cancelAfter: random.chance(0.5) ? random.between(0.05, 1) : undefined },
    ]);
  }

  // Stores the job whatever happens: after an answer that says nothing, the same request again. Undefined when the run ends first.
  async #put(jobId, body) {
    for (let attempt = 0; attempt < 200; ++attempt) {
      const put = await this.api.putJob(jobId, body, attempt === 0 ? 'first' : 'again');
      if (put.result === 'ok') return put.json;
      if (put.result === 'fail' && put.status !== 429) return undefined;
      await sleep(0.5);
    }
    return undefined;
  }

  async #one(random) {
    const jobId = `${this.run}-${++this.made}`;
    const script = this.#script(random, jobId);
    const { ids, condition } = this.#targets(random, script.size);
    const body = { jobId, ...script.body, queryCondition: condition };
    if (script.startIn) body.startTime = new Date((now() + script.startIn) * 1000).toISOString();
    this.api.history.add({ src: 'job', jobId, size: script.size, targets: ids, body });
    if (!await this.#put(jobId, body)) return;
    if (script.repeat) await this.#repeat(jobId, body);
    if (script.cancelAfter !== undefined) await Promise.all([this.#cancel(jobId, script.cancelAfter), this.#follow(jobId)]);
    else await this.#follow(jobId);
  }

  // The same request is welcome again; another one under the same id is not, and does nothing.
  async #repeat(jobId, body) {
    await this.api.putJob(jobId, body, 'again');
    const other = structuredClone(body);
    const token = `${jobId}/other`;
    if (other.cloudToDeviceMethod) other.cloudToDeviceMethod.payload = { token };
    else other.updateTwin.properties.desired.jobs[jobId] = token;
    await this.api.putJob(jobId, other, 'other');
  }

  async #cancel(jobId, after) {
    await sleep(after);
    for (let attempt = 0; attempt < 20; ++attempt) {
      const cancel = await this.api.cancelJob(jobId);
      if (cancel.result !== 'info') return;
      await sleep(0.3);
    }
  }

  async #follow(jobId) {
    const end = now() + 240;
    while (now() < Math.min(end, this.giveUp)) {
      const read = await this.api.getJob(jobId);
      if (read.result === 'ok' && ENDED.includes(read.json.status)) {
        await this.readRows(jobId);
        return;
      }
      await sleep(0.4);
    }
  }

  async readRows(jobId) {
    let continuation;
    do {
      const page = await this.api.rows(jobId, continuation);
      if (page.result !== 'ok') return;
      continuation = page.headers['x-ms-continuation'];
    } while (continuation);
  }

  async #client() {
    const random = this.random.fork();
    while (!this.stopping) {
      await this.#one(random);
      await sleep(random.between(0.1, 1));
    }
  }

  // Reads jobs that others make.
  async #reader() {
    const random = this.random.fork();
    while (!this.stopping) {
      const jobId = `${this.run}-${Math.max(1, this.made - random.below(6))}`;
      if (this.made > 0) await this.api.getJob(jobId);
      await sleep(0.2);
    }
  }

  start(clients, readers) {
    this.done = Promise.all([
      ...Array.from({ length: clients }, () => this.#client()),
      ...Array.from({ length: readers }, () => this.#reader()),
    ]);
  }

  // No new jobs; waits for those that are under way, as long as the longest may take.
  async stop() {
    this.stopping = true;
    this.giveUp = now() + LONGEST;
    await this.done;
  }
}

module.exports = { JobClients, ENDED };
