'use strict';
// A method job over connected devices, every outcome durable, beside Mosquitto's raw request/reply with as many connections.
// Both over plain TCP on loopback, in turns in one run; the generators run on the same machine.

const path = require('node:path');
const { uniqueId, waitFor } = require('../e2e/lib/hub');
const { startJsonLines } = require('../e2e/lib/processes');
const { median, print, run, runJob, say, settings, startMosquitto } = require('./lib');

const { devices, repetitions, requests } = settings({ devices: 5000, repetitions: 3, requests: 50000 });
const bin = process.env.FLEETCAST_BIN_DIR;

async function mosquittoRate(port) {
  const { stdout } = await run(path.join(bin, 'fleetcast-bench-broker'),
    ['--port', String(port), '--devices', String(devices), '--requests', String(requests)]);
  return JSON.parse(stdout).rate;
}

async function fleetcastRate(prefix) {
  const job = await runJob(uniqueId('bench'), { type: 'scheduleDeviceMethod',
    cloudToDeviceMethod: { methodName: 'lockDoor', payload: { n: 1 }, responseTimeoutInSeconds: 60 },
    queryCondition: `STARTSWITH(deviceId, '${prefix}')` });
  const counts = job.deviceJobStatistics;
  if (counts.succeededCount !== devices) throw new Error(`not every device answered: ${JSON.stringify(counts)}`);
  return { rate: devices / job.seconds, seconds: job.seconds };
}

async function main() {
  const prefix = `${uniqueId('bench')}-`;
  let connected = 0;
  const fleet = startJsonLines(path.join(bin, 'fleetsim'),
    ['--devices', String(devices), '--prefix', prefix, '--register', '--plain', '--connect-rate', '0'],
    (line) => { if (typeof line.connected === 'number') connected = line.connected; });
  const broker = await startMosquitto();
  try {
    await waitFor('the fleet is connected', () => { say(`${connected} of ${devices} devices connected`); return connected >= devices; }, 300);
    await fleetcastRate(prefix); // Warm-up: caches, code pages, statistics of fresh tables.
    await mosquittoRate(broker.port);
    const ours = [];
    const theirs = [];
    for (let i = 1; i <= repetitions; ++i) {
      theirs.push(await mosquittoRate(broker.port));
      const result = await fleetcastRate(prefix);
      ours.push(result.rate);
      say(`run ${i}: fleetcast ${Math.round(result.rate)}/s (${result.seconds.toFixed(2)} s), mosquitto ${Math.round(theirs.at(-1))}/s`);
    }
    print({ name: 'methods', devices, repetitions, rate: Math.round(median(ours)), rates: ours.map(Math.round),
      baseline: 'mosquitto raw request/reply, nothing stored', baseline_rate: Math.round(median(theirs)),
      baseline_rates: theirs.map(Math.round), ratio: Number((median(ours) / median(theirs)).toFixed(3)) });
  } finally {
    await broker.stop();
    await fleet.stop();
  }
}

main().catch((error) => {
  console.error(`bench methods: ${error.message}`);
  process.exit(1);
});
