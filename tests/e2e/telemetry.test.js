'use strict';
// What devices and modules send with azure-iot-device is in the stream when their send completes (docs/telemetry.md).

const assert = require('node:assert');
const { execFileSync } = require('node:child_process');
const { before, after, test } = require('node:test');
const { Client: DeviceClient, ModuleClient, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { deviceConnectionString, parts, request, skipWithoutSdkPorts, uniqueId } = require('./lib/hub');

const V = 'api-version=2021-04-12';
const socket = process.env.TELEMETRY_REDIS_SOCKET;
const skip = skipWithoutSdkPorts || (socket ? false : 'this Fleetcast was started by somebody else: its sink is not known');
const deviceId = uniqueId('thermo');
const keys = {};

// The entries of the device, each as an object.
function entries() {
  const all = JSON.parse(execFileSync('redis-cli', ['-s', socket, '--json', 'XRANGE', 'fleetcast:telemetry', '-', '+']));
  const asObject = (fields) => Object.fromEntries(fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1]]] : [])));
  return all.map(([, fields]) => asObject(fields)).filter((entry) => entry.device_id === deviceId);
}

before(async () => {
  const device = await request('PUT', `/devices/${deviceId}?${V}`, { body: { deviceId } });
  assert.strictEqual(device.status, 200, device.text);
  keys.device = device.json.authentication.symmetricKey.primaryKey;
  const module = await request('PUT', `/devices/${deviceId}/modules/probe?${V}`, { body: { deviceId, moduleId: 'probe' } });
  assert.strictEqual(module.status, 200, module.text);
  keys.module = module.json.authentication.symmetricKey.primaryKey;
});

after(() => request('DELETE', `/devices/${deviceId}?${V}`, { headers: { 'If-Match': '*' } }));

test('a message of a device is in the stream when the send completes, with its properties', { skip }, async () => {
  const client = DeviceClient.fromConnectionString(deviceConnectionString(deviceId, keys.device), Mqtt);
  await client.open();
  const message = new Message('{"temperature":21}');
  Object.assign(message, { messageId: 'm 1', correlationId: 'c/1', contentType: 'application/json', contentEncoding: 'utf-8' });
  message.properties.add('level & unit', 'high = °C');
  await client.sendEvent(message);
  const [entry, ...more] = entries();
  await client.close();
  assert.deepStrictEqual(more, []);
  const { enqueued_time: time, ...rest } = entry;
  assert.ok(Math.abs(Date.parse(time) - Date.now()) < 60000, time);
  assert.deepStrictEqual(rest, { device_id: deviceId, body: '{"temperature":21}', '$.mid': 'm 1', '$.cid': 'c/1',
    '$.ct': 'application/json', '$.ce': 'utf-8', 'app.level & unit': 'high = °C' });
});

test('so is what a module sends to one of its outputs', { skip }, async () => {
  const client = ModuleClient.fromConnectionString(
    `HostName=${parts.HostName};DeviceId=${deviceId};ModuleId=probe;SharedAccessKey=${keys.module}`, Mqtt);
  await client.open();
  await client.sendOutputEvent('alarms', new Message('hot'));
  const entry = entries().find((each) => each.module_id === 'probe');
  await client.close();
  assert.strictEqual(entry.body, 'hot');
  assert.strictEqual(entry['$.on'], 'alarms');
});
