'use strict';
// Both job kinds through gRPC, with nothing but the address: the contracts come from server reflection, as for grpcurl.

const assert = require('node:assert');
const { after, before, test } = require('node:test');
const grpc = require('@grpc/grpc-js');
const { openDoorDevice } = require('./lib/door_device');
const { openService } = require('./lib/grpc_client');
const { deviceConnectionString, request, skipWithoutSdkPorts, uniqueId, waitFor } = require('./lib/hub');

const V = 'api-version=2021-04-12';
const skip = skipWithoutSdkPorts;
const deviceId = uniqueId('grpc');
let device;

before(async () => {
  if (skip) return;
  const created = await request('PUT', `/devices/${deviceId}?${V}`, { body: { deviceId } });
  device = await openDoorDevice(deviceConnectionString(deviceId, created.json.authentication.symmetricKey.primaryKey));
});

after(async () => {
  if (device) await device.close();
});

test('method job and twin job through jobs.v1', { skip }, async () => {
  const jobs = await openService(process.env.FLEETCAST_GRPC_JOBS, 'fleetcast.jobs.v1.JobService');
  const run = async (id, action) => {
    await jobs('CreateJob', { job: { id, condition: `deviceId = '${deviceId}'`, ...action } });
    return waitFor(`job ${id} ends`, async () => {
      const { job } = await jobs('GetJob', { job_id: id });
      return job.state === 'STATE_COMPLETED' ? job : undefined;
    });
  };
  const method = await run(uniqueId('m'), { invoke_method: { method: 'lockDoor', payload: '{"n":1}' } });
  assert.strictEqual(method.statistics.succeeded, 1);
  const { execution } = await jobs('GetExecution', { job_id: method.id, device_id: deviceId });
  assert.strictEqual(execution.device_status, 200);
  assert.deepStrictEqual(JSON.parse(execution.payload), { locked: true });

  const twin = await run(uniqueId('t'), { update_twin: { tags_patch: '{"via":"grpc"}', desired_patch: '{"floor":3}' } });
  assert.strictEqual(twin.statistics.succeeded, 1);
  await waitFor('the desired patch arrives', () => device.patches.find((patch) => patch.floor === 3));
});

test('errors carry a code and a reason', { skip }, async () => {
  const jobs = await openService(process.env.FLEETCAST_GRPC_JOBS, 'fleetcast.jobs.v1.JobService');
  await assert.rejects(jobs('GetJob', { job_id: uniqueId('none') }), (error) => error.code === grpc.status.NOT_FOUND);
  await assert.rejects(jobs('CreateJob', { job: { id: 'bad id!', condition: '*', invoke_method: { method: 'x' } } }),
    (error) => error.code === grpc.status.INVALID_ARGUMENT && error.metadata.get('grpc-status-details-bin').length === 1);
  await assert.rejects(jobs('CreateJob', { job: { id: uniqueId('q'), condition: 'tags.a = = 1', invoke_method: { method: 'x' } } }),
    (error) => error.code === grpc.status.INVALID_ARGUMENT);
  const dry = await jobs('CreateJob', { job: { id: uniqueId('dry'), condition: `deviceId = '${deviceId}'`, invoke_method: { method: 'x' } }, validate_only: true });
  assert.strictEqual(dry.matching_devices, 1);
  assert.strictEqual(dry.connected_devices, 1);
  assert.deepStrictEqual(dry.sample_device_ids, [deviceId]);
});

test('twins and methods through their services', { skip }, async () => {
  const twins = await openService(process.env.FLEETCAST_GRPC_TWINS, 'fleetcast.twins.v1.TwinService');
  const { twin } = await twins('GetTwin', { device_id: deviceId });
  assert.strictEqual(JSON.parse(twin.document).deviceId, deviceId);
  const methods = await openService(process.env.FLEETCAST_GRPC_METHODS, 'fleetcast.methods.v1.MethodService');
  const answer = await methods('InvokeMethod', { device_id: deviceId, method: 'lockDoor', payload: 'null' });
  assert.strictEqual(answer.device_status, 200);
});
