'use strict';
// T13: kill -9 of an edge that holds every client of the matrix and a simulated fleet; all must answer methods again within 30 s.
// How many devices: FLEETCAST_SDK_FLEET, 1,000 by default; the row says 10,000.

const assert = require('node:assert');
const path = require('node:path');
const { request, uniqueId, waitFor } = require('../../e2e/lib/hub');
const { pidsNow, startJsonLines } = require('../../e2e/lib/processes');
const { edges } = require('./bench');

const V = 'api-version=2021-04-12';
const DEVICES = Number(process.env.FLEETCAST_SDK_FLEET || 1000);

// Calls every device of `query` once, as a job; resolves to how many answered.
async function callAll(query) {
  const jobId = uniqueId('t13');
  const put = await request('PUT', `/jobs/v2/${jobId}?${V}`, { body: { jobId, type: 'scheduleDeviceMethod', queryCondition: query,
    cloudToDeviceMethod: { methodName: 'echo', payload: 13, responseTimeoutInSeconds: 5 }, maxExecutionTimeInSeconds: 60 } });
  assert.strictEqual(put.status, 200, put.text);
  const job = await waitFor('the job ends', async () => {
    const { json } = await request('GET', `/jobs/v2/${jobId}?${V}`);
    return json.status === 'completed' && json;
  }, 60, 50);
  return job.deviceJobStatistics.succeededCount;
}

async function killPod(benches) {
  const prefix = uniqueId('t13');
  const [first, second] = edges();
  let connected = 0;
  const fleet = startJsonLines(path.join(process.env.FLEETCAST_BIN_DIR, 'fleetsim'),
    ['--devices', String(DEVICES), '--prefix', `${prefix}-`, '--register', '--mqtts-ports', String(second.port), '--connect-rate', '0',
      '--reconnect-limit', '2s'],
    (line) => { if (typeof line.connected === 'number') connected = line.connected; });
  try {
    await waitFor('the fleet is connected', () => connected >= DEVICES, 120);
    for (const bench of benches) {
      bench.leadTo(second);
      bench.proxy.cut();
    }
    const ids = benches.map(({ identity }) => `'${identity.deviceId}'`);
    const query = `STARTSWITH(deviceId, '${prefix}') OR deviceId IN [${ids}]`;
    const all = DEVICES + benches.length;
    let answered;
    const doAllAnswer = async () => { answered = await callAll(query); return answered === all; };
    await waitFor('all answer before', doAllAnswer, 40);
    // As behind a load balancer: the clients find the pod that is left, the fleet the one that is started again.
    for (const bench of benches) bench.leadTo(first);
    process.kill(pidsNow()[second.name], 'SIGKILL');
    const killed = Date.now();
    await waitFor('all answer again', doAllAnswer, 60, 50).catch((error) => {
      throw new Error(`${error.message}: ${answered} of ${all}; connected: ${benches.map(({ sdk, proxy }) => `${sdk.name} ${proxy.pairs.size}`)}`);
    });
    const seconds = (Date.now() - killed) / 1000;
    console.log(`# T13: ${all} devices answer again ${seconds.toFixed(1)} s after kill -9 of their edge`);
    assert.ok(seconds < 30, `${seconds} s`);
  } finally {
    await fleet.stop();
  }
}

module.exports = { killPod };
