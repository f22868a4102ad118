'use strict';
// The program of the 2016 tutorial, on the package of its time: azure-iothub 2.0.0-dtpreview (api-version 2016-09-30-preview).

const assert = require('node:assert');
const { after, before, test } = require('node:test');
const { Registry } = require('azure-iothub');
const { JobClient } = require('azure-iothub-dtpreview');
const { openDoorDevice } = require('./lib/door_device');
const { connectionString, deviceConnectionString, skipWithoutSdkPorts, uniqueId } = require('./lib/hub');

const skip = skipWithoutSdkPorts;
const deviceId = uniqueId('preview');
let device;

// monitorJob of the tutorial, with a shorter interval.
function monitorJob(jobClient, jobId) {
  return new Promise((resolve, reject) => {
    const interval = setInterval(() => {
      jobClient.getJob(jobId, (error, result) => {
        if (error) {
          clearInterval(interval);
          reject(error);
        } else if (['completed', 'failed', 'cancelled'].includes(result.status)) {
          clearInterval(interval);
          resolve(result);
        }
      });
    }, 200);
  });
}

before(async () => {
  if (skip) return;
  const created = await Registry.fromConnectionString(connectionString).create({ deviceId });
  const identity = created.responseBody || created;
  device = await openDoorDevice(deviceConnectionString(deviceId, identity.authentication.symmetricKey.primaryKey));
});

after(async () => {
  if (device) await device.close();
});

test('scheduleDeviceMethod with an array of devices', { skip, timeout: 60000 }, async () => {
  const jobClient = JobClient.fromConnectionString(connectionString);
  const jobId = uniqueId('dt-method');
  await new Promise((resolve, reject) => {
    jobClient.scheduleDeviceMethod(jobId, [deviceId], { methodName: 'lockDoor', payload: null, timeoutInSeconds: 45 },
      new Date(), 3600, (error) => (error ? reject(error) : resolve()));
  });
  const job = await monitorJob(jobClient, jobId);
  assert.strictEqual(job.status, 'completed');
  assert.strictEqual(device.calls.length, 1);
});

test('scheduleTwinUpdate with `desired` at the root of the patch', { skip, timeout: 60000 }, async () => {
  const jobClient = JobClient.fromConnectionString(connectionString);
  const jobId = uniqueId('dt-twin');
  await new Promise((resolve, reject) => {
    jobClient.scheduleTwinUpdate(jobId, [deviceId], { etag: '*', desired: { building: '43', floor: 3 } },
      new Date(), 3600, (error) => (error ? reject(error) : resolve()));
  });
  const job = await monitorJob(jobClient, jobId);
  assert.strictEqual(job.status, 'completed');
  const twin = await Registry.fromConnectionString(connectionString).getTwin(deviceId);
  assert.strictEqual((twin.responseBody || twin).properties.desired.building, '43');
});
