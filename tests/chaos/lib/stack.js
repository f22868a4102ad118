'use strict';
// A private Fleetcast with several replicas of what may have replicas, and a proxy between the edges and one device_connection.

const { execFile, spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const readline = require('node:readline');
const { Proxy } = require('../../framework/proxy');

const REPLICAS = { scheduler: 2, device_connection: 2, method_dispatch: 2, mqtt_edge: 2 };

// A loopback address of our own, so that no other stack is in the way.
function ownAddress(random) { return `127.${100 + random.below(100)}.${1 + random.below(250)}.${1 + random.below(250)}`; }

function freePort(host) {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.on('error', reject);
    server.listen(0, host, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

function readEnv(file) {
  const env = {};
  for (const line of fs.readFileSync(file, 'utf8').split('\n').filter(Boolean)) {
    const at = line.indexOf('=');
    env[line.slice(0, at)] = line.slice(at + 1).replace(/^'(.*)'$/, '$1').replace(/'\\''/g, "'");
  }
  return env;
}

class Stack {
  // Starts it; `history` hears of every process that dies or runs again. `random` chooses the address.
  static async start({ binDir, history, random, environment = {} }) {
    const stack = new Stack();
    stack.work = fs.mkdtempSync(path.join(process.env.TMPDIR || '/var/tmp', 'fleetcast-chaos-'));
    fs.chmodSync(stack.work, 0o755);
    stack.envFile = path.join(stack.work, 'dev.env');
    const host = ownAddress(random);
    const upstream = await freePort(host);
    const proxied = await freePort(host);
    stack.proxy = new Proxy(host, proxied, host, upstream);
    await stack.proxy.listening;
    const flags = ['dev', '--host', host, '--data-dir', path.join(stack.work, 'data'), '--env-file', stack.envFile, '--fresh',
      '--grpc-port', `device_connection=${upstream}`, '--via', `device_connection=${host}:${proxied}`,
      // Little credit, so that a job over the whole fleet takes seconds and faults hit the middle of it.
      '--service-flag', 'method_dispatch=--scheduler-credit=250',
      // What a cancelled job waits for answers that may never come.
      '--service-flag', 'job_api=--cancel-drain=15s',
      ...Object.entries(REPLICAS).flatMap(([service, count]) => ['--replicas', `${service}=${count}`])];
    stack.dev = spawn(path.join(binDir, 'fleetcast'), flags,
      { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...environment }, detached: false });
    stack.log = [];
    stack.deaths = 0;
    stack.ended = new Promise((resolve) => stack.dev.on('exit', resolve));
    stack.dev.on('exit', (code, signal) => {
      if (!stack.isStopping) console.error(`chaos: fleetcast dev ended (${signal || code}); it said last:\n${stack.log.slice(-20).join('\n')}`);
    });
    readline.createInterface({ input: stack.dev.stderr }).on('line', (line) => stack.#hear(line, history));
    await stack.#ready();
    return stack;
  }

  #hear(line, history) {
    this.log.push(line);
    const died = /^fleetcast dev: (\w+) died \((.*)\); starts again/.exec(line);
    if (died) history.add({ src: 'process', event: 'died', name: died[1], how: died[2] });
    const runs = /^fleetcast dev: (\w+) runs again/.exec(line);
    if (runs) history.add({ src: 'process', event: 'runs', name: runs[1] });
  }

  async #ready() {
    const end = Date.now() + 180_000;
    while (!fs.existsSync(this.envFile)) {
      if (this.dev.exitCode !== null || Date.now() > end) {
        throw new Error(`fleetcast dev did not start:\n${this.log.slice(-30).join('\n')}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    this.env = readEnv(this.envFile);
    Object.assign(process.env, this.env, { FLEETCAST_ENV_FILE: this.envFile });
  }

  // Process ids now, by name: scheduler, scheduler_2, …, postgres, redis.
  pids() {
    try {
      return Object.fromEntries(readEnv(this.envFile).FLEETCAST_PIDS.split(' ').filter(Boolean)
        .map((pair) => pair.split('=')).map(([name, pid]) => [name, Number(pid)]).filter(([, pid]) => this.#isChild(pid)));
    } catch {
      return {}; // It is being replaced.
    }
  }

  // The number of a process that has died may be somebody else's by now.
  #isChild(pid) {
    try {
      return Number(/^PPid:\s*(\d+)/m.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) === this.dev.pid;
    } catch {
      return false;
    }
  }

  // Runs SQL; gives the rows of a query that returns one JSON column.
  query(sql) {
    return new Promise((resolve, reject) => {
      execFile('psql', [this.env.FLEETCAST_POSTGRES, '-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', sql],
        { maxBuffer: 1 << 29, timeout: 60_000, env: { ...process.env, PGCONNECT_TIMEOUT: '3' } }, (error, stdout) => {
          if (error) reject(error);
          else resolve(stdout.split('\n').filter(Boolean).map((line) => JSON.parse(line)));
        });
    });
  }

  // One command to Redis, without waiting for what it says.
  redis(words) {
    return new Promise((resolve) => {
      const [host, port] = this.env.FLEETCAST_REDIS.split(':');
      const socket = net.connect(Number(port), host, () => socket.write(`${words}\r\n`));
      socket.on('error', () => resolve(false));
      socket.on('data', () => { socket.destroy(); resolve(true); });
      socket.setTimeout(2000, () => { socket.destroy(); resolve(false); });
    });
  }

  // The last lines of each process.
  tails(lines = 12) {
    const logs = path.join(this.work, 'data', 'logs');
    return fs.readdirSync(logs).map((name) => {
      const text = fs.readFileSync(path.join(logs, name), 'utf8').split('\n');
      return `--- ${name}\n${text.slice(-lines).join('\n')}`;
    }).join('\n');
  }

  async stop() {
    this.isStopping = true;
    if (this.dev.exitCode === null) this.dev.kill('SIGTERM');
    await this.ended;
    this.proxy.close();
  }

  remove() { fs.rmSync(this.work, { recursive: true, force: true }); }
}

module.exports = { Stack, REPLICAS, scratch: () => fs.mkdtempSync(path.join(os.tmpdir(), 'fleetcast-chaos-')) };
