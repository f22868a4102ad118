'use strict';
// What the benchmarks share: repetitions, medians, jobs, SQL.

const { execFile, spawn } = require('node:child_process');
const fs = require('node:fs');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { promisify } = require('node:util');
const { request, waitFor } = require('../e2e/lib/hub');

const run = promisify(execFile);
const V = 'api-version=2021-04-12';

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

// The middle and the far end of some milliseconds, to a hundredth.
function percentiles(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => Number(sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(2));
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

// Unix time in milliseconds, with what is smaller.
const wallClock = () => performance.timeOrigin + performance.now();
const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const say = (text) => console.error(`  ${text}`);
const print = (figures) => console.log(JSON.stringify(figures));

// Creates a job over HTTPS and waits for its end; answers the job with `seconds`, from its start to its end as stored.
async function runJob(jobId, body) {
  const put = await request('PUT', `/jobs/v2/${jobId}?${V}`, { body: { jobId, ...body } });
  if (put.status !== 200) throw new Error(`PUT job: ${put.status} ${put.text}`);
  const job = await waitFor(`job ${jobId} ends`, async () => {
    const read = await request('GET', `/jobs/v2/${jobId}?${V}`);
    return ['completed', 'failed', 'cancelled'].includes(read.json.status) ? read.json : undefined;
  }, 600);
  if (job.status !== 'completed') throw new Error(`job ${jobId}: ${job.status} ${job.failureReason || ''}`);
  job.seconds = (Date.parse(job.endTime) - Date.parse(job.startTime)) / 1000;
  return job;
}

// Runs SQL with psql on the database of the running Fleetcast; answers its output.
async function sql(text) {
  const { stdout } = await run('psql', [process.env.FLEETCAST_POSTGRES, '-XAtq', '-v', 'ON_ERROR_STOP=1', '-c', text],
    { maxBuffer: 1 << 26 });
  return stdout.trim();
}

async function timed(action) {
  const start = process.hrtime.bigint();
  const value = await action();
  return { seconds: Number(process.hrtime.bigint() - start) / 1e9, value };
}


const TICKS = 100; // sysconf(_SC_CLK_TCK) on Linux.

// Processor ticks of each process of the machine: { parent, own, waited }, by pid.
function processorTicks() {
  const stats = new Map();
  for (const pid of fs.readdirSync('/proc').filter((name) => /^[0-9]+$/.test(name))) {
    try {
      const text = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ').map(Number);
      stats.set(Number(pid), { parent: fields[1], own: fields[11] + fields[12], waited: fields[13] + fields[14] });
    } catch { /* It has ended. */ }
  }
  return stats;
}

// Processor time (user and system) so far of each process in `pids` ({ name: pid }; those of the running Fleetcast by default), by
// name; a process counts with its children, so `postgres` holds all sessions, also those that have ended.
function cpuSeconds(pids = fleetcastPids()) {
  const stats = processorTicks();
  return Object.fromEntries(Object.entries(pids).map(([name, pid]) => {
    let ticks = 0;
    for (const [child, stat] of stats) {
      if (child === pid || stat.parent === pid) ticks += stat.own + stat.waited;
    }
    return [name, ticks / TICKS];
  }));
}

const fleetcastPids = () => Object.fromEntries((process.env.FLEETCAST_PIDS || '').split(' ').filter(Boolean)
  .map((pair) => pair.split('=')).map(([name, pid]) => [name, Number(pid)]));

// Resident memory of a process in kB: { now, peak }.
function memoryOf(pid) {
  const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
  const field = (name) => Number(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm').exec(status)[1]);
  return { now: field('VmRSS'), peak: field('VmHWM') };
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

// A Mosquitto of our own on loopback, without accounts, storage and logging; with `certificate` ({ chain, key }: files) it serves TLS.
// Answers { port, pid, stop }.
async function startMosquitto(certificate) {
  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'fleetcast-mosquitto-'));
  const port = await freePort();
  const config = path.join(scratch, 'mosquitto.conf');
  const tls = certificate ? `certfile ${certificate.chain}\nkeyfile ${certificate.key}\n` : '';
  fs.writeFileSync(config, `listener ${port} 127.0.0.1\n${tls}allow_anonymous true\nset_tcp_nodelay true\n`
    + `log_type none\nmax_queued_messages 1000000\npersistence false\nuser ${os.userInfo().username}\n`);
  const child = spawn('mosquitto', ['-c', config], { stdio: 'ignore' });
  await waitFor('mosquitto listens', () => listens(port));
  return {
    port,
    pid: child.pid,
    stop: () => new Promise((resolve) => {
      child.on('exit', () => { fs.rmSync(scratch, { recursive: true, force: true }); resolve(); });
      child.kill('SIGTERM');
    }),
  };
}

const listens = (port) => new Promise((resolve) => {
  const probe = net.connect(port, '127.0.0.1', () => { probe.destroy(); resolve(true); });
  probe.on('error', () => resolve(false));
});

// The columns of a copied device. Sealed keys open for their own device only: copies hold them in clear text, as rows of old
// versions do (tests/bench/run makes `twin` leave them alone).
function inClearText(columns, device) {
  const { primaryKey, secondaryKey } = device.authentication.symmetricKey;
  return columns.replace(/\bsealed_keys\b/, 'NULL').replace(/\bprimary_key\b/, `'${primaryKey}'`).replace(/\bsecondary_key\b/, `'${secondaryKey}'`);
}

module.exports = { V, cpuSeconds, fleetcastPids, freePort, inClearText, listens, median, memoryOf, percentiles, print, run, runJob, say, sleep, sql, startMosquitto, timed, wallClock };
