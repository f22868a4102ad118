'use strict';
// Request/reply over connected devices, as fast as it goes: a method job of Fleetcast, and Mosquitto without anything behind it.

const path = require('node:path');
const { uniqueId } = require('../e2e/lib/hub');
const { run, runJob } = require('./lib');

const bin = process.env.FLEETCAST_BIN_DIR;

// Requests a second through the broker on `port`, with as many connections that answer.
async function mosquittoRate(port, devices, requests) {
  const { stdout } = await run(path.join(bin, 'fleetcast-bench-broker'),
    ['--port', String(port), '--devices', String(devices), '--requests', String(requests)]);
  return JSON.parse(stdout).rate;
}

// Devices a second of a method job over those whose id begins with `prefix`; each has to answer.
async function fleetcastRate(prefix, devices) {
  const job = await runJob(uniqueId('bench'), { type: 'scheduleDeviceMethod',
    cloudToDeviceMethod: { methodName: 'lockDoor', payload: { n: 1 }, responseTimeoutInSeconds: 60 },
    queryCondition: `STARTSWITH(deviceId, '${prefix}')` });
  const counts = job.deviceJobStatistics;
  if (counts.succeededCount !== devices) throw new Error(`not every device answered: ${JSON.stringify(counts)}`);
  return devices / job.seconds;
}

module.exports = { fleetcastRate, mosquittoRate };
