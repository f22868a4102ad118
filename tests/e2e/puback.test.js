'use strict';
// A method answer at QoS 1 gets its PUBACK after its outcome is committed, and not before (rule M5).

const assert = require('node:assert');
const { after, before, test } = require('node:test');
const { request, uniqueId, waitFor } = require('./lib/hub');
const { pidsNow } = require('./lib/processes');
const { connectRawDevice } = require('./lib/raw_mqtt');

const V = 'api-version=2021-04-12';
const deviceId = uniqueId('puback');
let key;
let device;

async function callByJob() {
  const jobId = uniqueId('job');
  const put = await request('PUT', `/jobs/v2/${jobId}?${V}`, { body: { jobId, type: 'scheduleDeviceMethod',
    cloudToDeviceMethod: { methodName: 'lockDoor', responseTimeoutInSeconds: 60 }, queryCondition: `deviceId = '${deviceId}'` } });
  assert.strictEqual(put.status, 200, put.text);
  const call = await waitFor('the device is called', () => device.publishes.shift());
  return { jobId, rid: call.topic.split('$rid=')[1] };
}

async function rowOf(jobId) {
  const page = await request('POST', `/devices/query?${V}`, { body: { query: `SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${jobId}'` } });
  assert.strictEqual(page.status, 200, page.text);
  assert.strictEqual(page.json.length, 1);
  return page.json[0];
}

function answer(rid, payload, packetId) {
  device.publish(`$iothub/methods/res/200/?$rid=${rid}`, JSON.stringify(payload), packetId);
}

function schedulers() {
  return Object.entries(pidsNow()).filter(([name]) => /^scheduler/.test(name)).map(([, pid]) => pid);
}

before(async () => {
  const created = await request('PUT', `/devices/${deviceId}?${V}`, { body: { deviceId } });
  assert.strictEqual(created.status, 200, created.text);
  key = created.json.authentication.symmetricKey.primaryKey;
  device = await connectRawDevice(deviceId, key);
});

after(() => { if (device) device.close(); });

test('the outcome is readable when the PUBACK comes', async () => {
  for (let packetId = 1; packetId <= 5; packetId += 1) {
    const { jobId, rid } = await callByJob();
    answer(rid, { n: packetId }, packetId);
    await waitFor('PUBACK', () => device.pubacks.includes(packetId), 30, 1);
    const row = await rowOf(jobId);
    assert.strictEqual(row.status, 'completed');
    assert.deepStrictEqual(row.outcome.deviceMethodResponse, { status: 200, payload: { n: packetId } });
  }
});

test('there is no PUBACK while nobody can record the outcome', { timeout: 60000 }, async () => {
  const { jobId, rid } = await callByJob();
  const paused = schedulers();
  assert.ok(paused.length > 0);
  try {
    for (const pid of paused) process.kill(pid, 'SIGSTOP');
    answer(rid, { paused: true }, 10);
    device.publish(`devices/${deviceId}/messages/events/`, 'behind it', 11);
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.deepStrictEqual(device.pubacks.filter((id) => id >= 10), []);
  } finally {
    for (const pid of paused) process.kill(pid, 'SIGCONT');
  }
  await waitFor('both PUBACKs', () => device.pubacks.includes(11), 30, 1);
  assert.deepStrictEqual(device.pubacks.filter((id) => id >= 10), [10, 11]);
  assert.deepStrictEqual((await rowOf(jobId)).outcome.deviceMethodResponse, { status: 200, payload: { paused: true } });
});

test('a direct call: the PUBACK comes with the reply', async () => {
  const reply = request('POST', `/twins/${deviceId}/methods?${V}`, { body: { methodName: 'lockDoor', responseTimeoutInSeconds: 30 } });
  const call = await waitFor('the device is called', () => device.publishes.shift());
  answer(call.topic.split('$rid=')[1], { direct: true }, 20);
  assert.deepStrictEqual((await reply).json, { status: 200, payload: { direct: true } });
  await waitFor('PUBACK', () => device.pubacks.includes(20));
});

test('an answer of a call that has ended is dropped and acknowledged', async () => {
  const { jobId, rid } = await callByJob();
  answer(rid, { n: 1 }, 30);
  await waitFor('PUBACK', () => device.pubacks.includes(30));
  device.close();
  device = await connectRawDevice(deviceId, key); // As an SDK does that has not seen the PUBACK: it sends the answer again.
  answer(rid, { n: 2 }, 31);
  await waitFor('PUBACK', () => device.pubacks.includes(31));
  assert.deepStrictEqual((await rowOf(jobId)).outcome.deviceMethodResponse, { status: 200, payload: { n: 1 } });
});
