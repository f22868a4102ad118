'use strict';
// What the tutorials do (azure-iothub 1.16.6, azure-iot-device 1.18.4 over MQTT), step for step.

const assert = require('node:assert');
const { after, before, test } = require('node:test');
const { JobClient, Registry, Client: ServiceClient } = require('azure-iothub');
const { openDoorDevice } = require('./lib/door_device');
const { connectionString, deviceConnectionString, skipWithoutSdkPorts, uniqueId, waitFor, request } = require('./lib/hub');

const skip = skipWithoutSdkPorts;
const deviceId = uniqueId('door');
const registry = Registry.fromConnectionString(connectionString);
const jobClient = JobClient.fromConnectionString(connectionString);
let device;

const FINAL = ['completed', 'failed', 'cancelled'];

function scheduled(answer) { // The SDK wraps what the service said, differently from class to class.
  return answer.responseBody || answer.jobStatus || answer.result || answer;
}

async function monitorJob(jobId) {
  return waitFor(`job ${jobId} ends`, async () => {
    const job = scheduled(await jobClient.getJob(jobId));
    return FINAL.includes(job.status) ? job : undefined;
  });
}

before(async () => {
  if (skip) return;
  const created = scheduled(await registry.create({ deviceId }));
  device = await openDoorDevice(deviceConnectionString(deviceId, created.authentication.symmetricKey.primaryKey));
});

after(async () => {
  if (device) await device.close();
});

test('a method job reaches the device and its answer comes back', { skip }, async () => {
  const jobId = uniqueId('lock');
  const answer = await jobClient.scheduleDeviceMethod(jobId, `deviceId IN ['${deviceId}']`,
    { methodName: 'lockDoor', payload: null, responseTimeoutInSeconds: 15 }, new Date(), 300);
  assert.strictEqual(scheduled(answer).status, 'queued');

  const job = await monitorJob(jobId);
  assert.strictEqual(job.status, 'completed');
  assert.strictEqual(job.type, 'scheduleDeviceMethod');
  assert.deepStrictEqual(job.deviceJobStatistics,
    { deviceCount: 1, failedCount: 0, succeededCount: 1, runningCount: 0, pendingCount: 0 });
  assert.deepStrictEqual(device.calls, [null]);

  const query = registry.createQuery(`SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${jobId}'`);
  const rows = scheduled(await query.next());
  const row = Array.isArray(rows) ? rows[0] : (rows.result || rows)[0];
  assert.strictEqual(row.deviceId, deviceId);
  assert.strictEqual(row.status, 'completed');
  assert.deepStrictEqual(row.outcome.deviceMethodResponse, { status: 200, payload: { locked: true } });
});

test('a twin job changes the twin and the connected device hears of it', { skip }, async () => {
  const jobId = uniqueId('twin');
  const before = device.patches.length;
  const patch = { etag: '*', tags: { site: 'munich' }, properties: { desired: { building: '43', floor: 3 } } };
  const answer = await jobClient.scheduleTwinUpdate(jobId, `deviceId = '${deviceId}'`, patch, new Date(), 300);
  assert.strictEqual(scheduled(answer).status, 'queued');

  const job = await monitorJob(jobId);
  assert.strictEqual(job.status, 'completed');
  assert.strictEqual(job.deviceJobStatistics.succeededCount, 1);

  const heard = await waitFor('the desired patch arrives', () => device.patches.slice(before).find((p) => p.building === '43'));
  assert.strictEqual(heard.floor, 3);
  const twin = scheduled(await registry.getTwin(deviceId));
  assert.strictEqual(twin.tags.site, 'munich');
  assert.strictEqual(twin.properties.desired.floor, 3);
  assert.strictEqual(twin.properties.desired.$version, heard.$version);
});

test('jobs are listed, newest first, until the continuation ends', { skip }, async () => {
  const query = jobClient.createQuery('scheduleDeviceMethod', 'completed', 1);
  const seen = [];
  while (query.hasMoreResults && seen.length < 200) {
    const page = scheduled(await query.next(query.continuationToken || undefined));
    for (const job of Array.isArray(page) ? page : page.result || []) {
      assert.strictEqual(job.type, 'scheduleDeviceMethod');
      assert.strictEqual(job.status, 'completed');
      seen.push(job.jobId);
    }
  }
  assert.ok(seen.length >= 1);
  assert.strictEqual(new Set(seen).size, seen.length);
});

test('a scheduled job waits for its time and can be cancelled before it', { skip }, async () => {
  const jobId = uniqueId('later');
  await jobClient.scheduleDeviceMethod(jobId, `deviceId = '${deviceId}'`, { methodName: 'lockDoor' },
    new Date(Date.now() + 3600e3), 300);
  await waitFor('the job is scheduled', async () => scheduled(await jobClient.getJob(jobId)).status === 'scheduled');
  const calls = device.calls.length;
  const cancelled = scheduled(await jobClient.cancelJob(jobId));
  assert.strictEqual(cancelled.jobId, jobId);
  assert.strictEqual((await monitorJob(jobId)).status, 'cancelled');
  assert.strictEqual(device.calls.length, calls);
});

test('a job that is due in two seconds starts then, not before', { skip }, async () => {
  const jobId = uniqueId('soon');
  const calls = device.calls.length;
  const start = new Date(Date.now() + 2000);
  await jobClient.scheduleDeviceMethod(jobId, `deviceId = '${deviceId}'`, { methodName: 'lockDoor', payload: { n: 1 } }, start, 300);
  await waitFor('the device is called', () => device.calls.length > calls);
  assert.ok(Date.now() >= start.getTime() - 50, 'called before its time');
  assert.strictEqual((await monitorJob(jobId)).status, 'completed');
});

test('an offline device fails with 404103 and the job completes', { skip }, async () => {
  const offline = uniqueId('offline');
  await registry.create({ deviceId: offline });
  const jobId = uniqueId('reach');
  await jobClient.scheduleDeviceMethod(jobId, `deviceId = '${offline}'`, { methodName: 'lockDoor' }, new Date(), 300);
  const job = await monitorJob(jobId);
  assert.strictEqual(job.status, 'completed');
  assert.strictEqual(job.deviceJobStatistics.failedCount, 1);
  const rows = await request('POST', '/devices/query?api-version=2021-04-12',
    { body: { query: `SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${jobId}' AND devices.jobs.status = 'failed'` } });
  assert.strictEqual(rows.headers['x-ms-item-type'], 'DeviceJob');
  assert.strictEqual(rows.json[0].error.code, '404103');
});

test('a direct method answers with what the device said', { skip }, async () => {
  const client = ServiceClient.fromConnectionString(connectionString);
  const result = await client.invokeDeviceMethod(deviceId,
    { methodName: 'lockDoor', payload: { zone: 'north' }, responseTimeoutInSeconds: 10 });
  assert.deepStrictEqual(scheduled(result).result || scheduled(result), { status: 200, payload: { locked: true } });
  assert.deepStrictEqual(device.calls.at(-1), { zone: 'north' });
});

test('a reported property of the device is in its twin', { skip }, async () => {
  await new Promise((resolve, reject) => {
    device.twin.properties.reported.update({ firmware: { version: '1.1' } }, (error) => (error ? reject(error) : resolve()));
  });
  const twin = scheduled(await registry.getTwin(deviceId));
  assert.strictEqual(twin.properties.reported.firmware.version, '1.1');
});

test('a condition over tags, desired and reported selects the device', { skip }, async () => {
  const query = registry.createQuery(`SELECT * FROM devices WHERE tags.site = 'munich' AND properties.desired.floor IN [2, 3]
    AND NOT properties.reported.firmware.version = '2.0' AND deviceId = '${deviceId}'`);
  const page = scheduled(await query.nextAsTwin());
  const twins = Array.isArray(page) ? page : page.result;
  assert.deepStrictEqual(twins.map((twin) => twin.deviceId), [deviceId]);
});

test('the newer connection takes over and the older one is closed', { skip }, async (t) => {
  const id = uniqueId('twice');
  const created = scheduled(await registry.create({ deviceId: id }));
  const text = deviceConnectionString(id, created.authentication.symmetricKey.primaryKey);
  const open = async (who) => {
    const opened = await openDoorDevice(text, { answer: { who } });
    t.after(() => { opened.close().catch(() => {}); }); // Also when this test fails: an open client keeps the process.
    return opened;
  };
  const first = await open('first');
  // A second process with the same identity; the first SDK client would come back at once, so it may not retry.
  first.client.setRetryPolicy({ shouldRetry: () => false, nextRetryTimeout: () => 0 });
  // What is under way on a connection that is taken over fails, and the SDK throws: wait until it has all that it asked for.
  await waitFor('the first connection hears of desired properties', async () => {
    await request('PATCH', `/twins/${id}?api-version=2021-04-12`, { body: { properties: { desired: { now: Date.now() } } } });
    return first.patches.some((patch) => patch.now !== undefined); // The first of them tells what was there before.
  }, 10);
  const gone = new Promise((resolve) => first.client.on('disconnect', resolve));
  await open('second');
  await gone;
  const client = ServiceClient.fromConnectionString(connectionString);
  const result = scheduled(await client.invokeDeviceMethod(id, { methodName: 'lockDoor', responseTimeoutInSeconds: 10 }));
  assert.deepStrictEqual((result.result || result).payload, { who: 'second' });
});
