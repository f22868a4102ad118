'use strict';
// A reconnect storm: every edge is killed at once and started again by the supervisor, and all devices come back by themselves.

const assert = require('node:assert');
const { request, uniqueId, waitFor } = require('./hub');
const { metricOf, pidsNow } = require('./processes');

const V = 'api-version=2021-04-12';

const edgesNow = () => Object.entries(pidsNow()).filter(([name]) => /^mqtt_edge(_\d+)?$/.test(name));

// Kills all edges with SIGKILL and waits until every device of `fleets` (of startDevices) is connected again. Answers seconds:
// { back_99, back }.
async function killAllEdges(fleets, devices, seconds) {
  const victims = edgesNow().map(([, pid]) => pid);
  const sum = (name) => fleets.reduce((total, fleet) => total + fleet.figures()[name], 0);
  const lostBefore = sum('disconnects');
  const since = Date.now();
  const elapsed = () => (Date.now() - since) / 1000;
  for (const pid of victims) process.kill(pid, 'SIGKILL');
  await waitFor('the devices notice', () => sum('disconnects') >= lostBefore + devices, 30, 20);
  const back99 = await waitFor('99 % are back', () => sum('connected') >= devices * 0.99 && elapsed(), seconds);
  const back = await waitFor('all are back', () => sum('connected') === devices && elapsed(), seconds);
  assert.ok(edgesNow().every(([, pid]) => !victims.includes(pid)), 'an edge has lived on');
  return { back_99: Number(back99.toFixed(1)), back: Number(back.toFixed(1)) };
}

// Three parties agree on who is connected: the devices, the edges, and, since a call to each device is answered, the directory.
async function checkSessions(prefix, total) {
  await waitFor('the edges hold a session of each device', async () => await metricOf('mqtt_edge', 'fleetcast_edge_sessions') === total);
  const jobId = uniqueId('storm');
  const put = await request('PUT', `/jobs/v2/${jobId}?${V}`, { body: { jobId, type: 'scheduleDeviceMethod',
    cloudToDeviceMethod: { methodName: 'lockDoor', payload: null, responseTimeoutInSeconds: 60 }, queryCondition: `STARTSWITH(deviceId, '${prefix}')` } });
  assert.strictEqual(put.status, 200, put.text);
  const job = await waitFor('the job ends', async () => {
    const { json } = await request('GET', `/jobs/v2/${jobId}?${V}`);
    return ['completed', 'failed', 'cancelled'].includes(json.status) ? json : undefined;
  }, 120);
  assert.strictEqual(job.deviceJobStatistics.succeededCount, total, JSON.stringify(job));
}

module.exports = { checkSessions, edgesNow, killAllEdges };
