'use strict';
// One chaos run: starts everything, works, breaks, heals, reads what is left, checks. See README.md.
//
//   node chaos.js [seconds=300] [seed=N] [devices=1200] [set=all|smoke|none|KIND,KIND…] [settle=25] [keep=0|1] [bug=NAME]
//
// settle: seconds after the last fault, in which leases (10 s) run out and everybody connects again, before clients end their work.

const fs = require('node:fs');
const path = require('node:path');
const { History, readLines } = require('./lib/history');
const { Random } = require('./lib/random');
const { Stack, scratch } = require('./lib/stack');
const { Fleet } = require('./lib/fleet');
const { Nemesis, SMOKE, sleep } = require('./lib/nemesis');
const { dump, sampleEpochs } = require('./lib/dump');
const { check } = require('./checker');

const WARM_UP = 4;
const ALL_WITHIN = 300; // Seconds in which every kind of fault must have come.

function settings() {
  const values = { seconds: 300, seed: Math.floor(Math.random() * 1e9), devices: 1200, set: 'all', settle: 25, keep: 0, bug: '' };
  for (const argument of process.argv.slice(2)) {
    const [name, value] = argument.split('=');
    if (!(name in values) || value === undefined) throw new Error(`unknown setting "${argument}"`);
    values[name] = typeof values[name] === 'number' ? Number(value) : value;
  }
  return values;
}

const say = (text) => console.log(`chaos: ${text}`);

function schedule(set) {
  if (set === 'all') return {};
  if (set === 'smoke') return { only: SMOKE, rest: 1.5, quietEvery: Infinity };
  return { only: set.split(','), rest: 4, quietEvery: Infinity };
}

async function work({ stack, history, fleet, random, options, run }) {
  const { Api } = require('./lib/api');
  const { JobClients } = require('./lib/jobs');
  const { Writers } = require('./lib/writers');
  const api = new Api(history);
  const offline = Array.from({ length: 40 }, (_, i) => `${run}away-${i + 1}`);
  const registered = await api.register(offline);
  if (registered.result !== 'ok') throw new Error(`cannot register devices: ${registered.status} ${registered.text}`);
  const parties = { api, fleet, offline, run };
  const jobs = new JobClients({ ...parties, random: random.fork() });
  const writers = new Writers({ ...parties, random: random.fork() });
  const nemesis = new Nemesis({ stack, history, random: random.fork() });
  jobs.start(5, 2);
  writers.start(6, 3);
  const sampler = setInterval(() => sampleEpochs(stack).then((epochs) => history.add({ src: 'epochs', epochs }), () => {}), 5000);
  await sleep(WARM_UP);
  await nemesis.run(options.seconds, schedule(options.set));
  say(`healed after ${Object.values(nemesis.counts).reduce((a, b) => a + b, 0)} faults; waiting for what is under way`);
  await sleep(options.settle);
  await Promise.all([jobs.stop(), writers.stop()]);
  clearInterval(sampler);
  await lastLook({ jobs, api, history, stack, fleet, run });
  return { nemesis, jobs };
}

// When nobody works any more: a job over everything shows that each device is still reached; then every job is read once more.
async function lastLook({ jobs, api, history, stack, fleet, run }) {
  const jobId = `${run}-last`;
  const token = `${jobId}/last`;
  const body = { jobId, type: 'scheduleDeviceMethod', queryCondition: `STARTSWITH(deviceId, '${fleet.prefix}')`,
    cloudToDeviceMethod: { methodName: 'chaos', payload: { token }, responseTimeoutInSeconds: 15, connectTimeoutInSeconds: 15 },
    maxExecutionTimeInSeconds: 60 };
  history.add({ src: 'job', jobId, size: 'all', targets: fleet.ids, body, last: true });
  await api.putJob(jobId, body);
  const end = Date.now() + 90_000;
  while (Date.now() < end) {
    const read = await api.getJob(jobId);
    if (read.result === 'ok' && read.json.status === 'completed') break;
    await sleep(0.5);
  }
  for (let n = 1; n <= jobs.made; ++n) await api.getJob(`${run}-${n}`);
  history.add({ src: 'database', tables: await dump(stack) });
}

async function main() {
  const options = settings();
  const random = new Random(options.seed);
  const binDir = process.env.FLEETCAST_BIN_DIR;
  const run = `c${options.seed.toString(36)}`;
  const files = scratch();
  const packetLog = path.join(files, 'packets.jsonl');
  const history = new History(path.join(files, 'history.jsonl'));
  say(`seed ${options.seed}, ${options.seconds} s, ${options.devices} devices, faults: ${options.set}${options.bug ? `, bug: ${options.bug}` : ''}`);
  let stack;
  let fleet;
  let violations = [];
  let missing = [];
  const stopAll = async () => {
    if (fleet) await fleet.stop();
    if (stack) await stack.stop();
  };
  process.on('SIGTERM', () => stopAll().finally(() => { if (stack) stack.remove(); process.exit(143); }));
  try {
    stack = await Stack.start({ binDir, history, random: new Random(process.pid),
      environment: options.bug ? { FLEETCAST_SEEDED_BUG: options.bug } : {} });
    fleet = new Fleet({ binDir, count: options.devices, prefix: `${run}-`, packetLog });
    await fleet.ready();
    say('everything runs');
    const { nemesis, jobs } = await work({ stack, history, fleet, random, options, run });
    await stopAll();
    for (const [kind, count] of Object.entries(nemesis.counts).sort()) say(`  ${String(count).padStart(3)} x ${kind}`);
    say(`${jobs.made} jobs, ${history.calls} API calls`);
    violations = check({ entries: history.entries, packets: readLines(packetLog), options: { permit: 1 } });
    report(violations, options, files);
    missing = options.set === 'all' && options.seconds >= ALL_WITHIN ? nemesis.missing() : [];
    if (missing.length > 0) say(`these faults never came: ${missing.join(', ')}`);
  } catch (error) {
    if (stack) console.error(stack.tails());
    throw error;
  } finally {
    await stopAll().catch(() => {});
    history.close();
    if (stack && (violations.length === 0 || !options.keep)) stack.remove();
    if (violations.length === 0 && !options.keep) fs.rmSync(files, { recursive: true, force: true });
  }
  process.exitCode = violations.length === 0 && missing.length === 0 ? 0 : 1;
}

function report(violations, options, files) {
  const shown = {};
  for (const { rule, evidence } of violations) {
    shown[rule] = (shown[rule] || 0) + 1;
    if (shown[rule] <= 5) console.log(`VIOLATION ${rule}: ${typeof evidence === 'string' ? evidence : JSON.stringify(evidence)}`);
  }
  for (const [rule, count] of Object.entries(shown)) say(`${rule}: ${count} violations`);
  if (violations.length > 0) say(`seed ${options.seed}; history in ${files}`);
  else say('no violation');
}

main().catch((error) => {
  console.error(`chaos: ${error.stack}`);
  process.exit(2);
});
