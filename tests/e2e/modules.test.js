'use strict';
// Modules as their users meet them: `ModuleClient` of azure-iot-device over MQTT, module methods and twins of azure-iothub.

const assert = require('node:assert');
const { after, before, test } = require('node:test');
const { ModuleClient, Client: DeviceClient, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Client: ServiceClient, Registry } = require('azure-iothub');
const { connectionString, deviceConnectionString, parts, request, sasToken, skipWithoutSdkPorts, uniqueId, waitFor } = require('./lib/hub');
const { connectOnce } = require('./lib/raw_mqtt');

const skip = skipWithoutSdkPorts;
const V = 'api-version=2021-04-12';
const registry = Registry.fromConnectionString(connectionString);
const service = ServiceClient.fromConnectionString(connectionString);
const deviceId = uniqueId('gateway');
const keys = {};
const open = [];

// The SDK wraps what the service said, differently from class to class.
const said = (answer) => answer.responseBody || answer.result || answer;

async function openModule(moduleId) {
  const client = ModuleClient.fromConnectionString(
    `HostName=${parts.HostName};DeviceId=${deviceId};ModuleId=${moduleId};SharedAccessKey=${keys[moduleId]}`, Mqtt);
  open.push(client);
  await client.open();
  return client;
}

const closeAll = async () => { for (const client of open.splice(0)) await client.close().catch(() => {}); };

before(async () => {
  const device = await request('PUT', `/devices/${deviceId}?${V}`, { body: { deviceId } });
  assert.strictEqual(device.status, 200, device.text);
  keys[''] = device.json.authentication.symmetricKey.primaryKey;
  for (const moduleId of ['camera', 'lock']) {
    const made = await request('PUT', `/devices/${deviceId}/modules/${moduleId}?${V}`, { body: { deviceId, moduleId } });
    assert.strictEqual(made.status, 200, made.text);
    keys[moduleId] = made.json.authentication.symmetricKey.primaryKey;
  }
});

after(async () => {
  await closeAll();
  await request('DELETE', `/devices/${deviceId}?${V}`, { headers: { 'If-Match': '*' } });
});

test('a module has a connection, a presence and a last activity of its own', { skip }, async () => {
  await openModule('camera');
  const twin = await waitFor('the module twin shows it', async () => {
    const read = said(await registry.getModuleTwin(deviceId, 'camera'));
    return read.connectionState === 'Connected' ? read : undefined;
  });
  assert.notStrictEqual(twin.lastActivityTime, '0001-01-01T00:00:00Z');
  assert.strictEqual(said(await registry.getModule(deviceId, 'camera')).connectionState, 'Connected');
  assert.strictEqual(said(await registry.getModule(deviceId, 'lock')).connectionState, 'Disconnected');
  assert.strictEqual(said(await registry.getTwin(deviceId)).connectionState, 'Disconnected');
  const rows = await request('POST', `/devices/query?${V}`,
    { body: { query: `SELECT moduleId FROM devices.modules WHERE deviceId = '${deviceId}' AND connectionState = 'Connected'` } });
  assert.deepStrictEqual(rows.json, [{ moduleId: 'camera' }]);
  await closeAll();
  await waitFor('it is gone', async () => said(await registry.getModuleTwin(deviceId, 'camera')).connectionState === 'Disconnected');
});

test('the device and two modules are connected and called at once', { skip }, async () => {
  const device = DeviceClient.fromConnectionString(deviceConnectionString(deviceId, keys['']), Mqtt);
  open.push(device);
  await device.open();
  device.onDeviceMethod('who', (call, answer) => answer.send(200, { who: 'device', payload: call.payload }));
  for (const moduleId of ['camera', 'lock']) {
    const module = await openModule(moduleId);
    module.onMethod('who', (call, answer) => answer.send(201, { who: moduleId, payload: call.payload }));
  }
  const params = { methodName: 'who', payload: [1], responseTimeoutInSeconds: 15, connectTimeoutInSeconds: 10 };
  assert.deepStrictEqual(said(await service.invokeDeviceMethod(deviceId, params)), { status: 200, payload: { who: 'device', payload: [1] } });
  for (const moduleId of ['camera', 'lock']) {
    const answer = said(await service.invokeDeviceMethod(deviceId, moduleId, params));
    assert.deepStrictEqual(answer, { status: 201, payload: { who: moduleId, payload: [1] } });
  }
  await closeAll();
});

test('a method of a module that is offline, or does not exist, says so', { skip }, async () => {
  const call = (moduleId) => request('POST', `/twins/${deviceId}/modules/${moduleId}/methods?${V}`, { body: { methodName: 'who' } });
  const code = (answer) => JSON.parse(JSON.parse(answer.text).Message).errorCode;
  const offline = await waitFor('both are offline', async () => {
    const answer = await call('lock');
    return answer.status === 404 && code(answer) === 404103 ? answer : undefined;
  });
  assert.strictEqual(offline.headers['iothub-errorcode'], 'DeviceNotOnline');
  const unknown = await call('nobody');
  assert.deepStrictEqual([unknown.status, code(unknown)], [404, 404001]);
});

test('a module reads its twin, reports, and hears of desired changes', { skip }, async () => {
  await registry.updateModuleTwin(deviceId, 'camera', { properties: { desired: { zoom: 1 } } }, '*');
  const module = await openModule('camera');
  const twin = await module.getTwin();
  assert.strictEqual(twin.properties.desired.zoom, 1);
  const patches = [];
  twin.on('properties.desired', (patch) => patches.push(patch));
  await new Promise((resolve, reject) => {
    twin.properties.reported.update({ lens: 'wide' }, (error) => (error ? reject(error) : resolve()));
  });
  assert.strictEqual(said(await registry.getModuleTwin(deviceId, 'camera')).properties.reported.lens, 'wide');
  assert.strictEqual(said(await registry.getTwin(deviceId)).properties.reported.lens, undefined);
  await registry.updateModuleTwin(deviceId, 'camera', { properties: { desired: { zoom: 7 } } }, '*');
  await registry.updateTwin(deviceId, { properties: { desired: { other: true } } }, '*');
  await waitFor('the change arrives', () => patches.some((patch) => patch.zoom === 7));
  assert.ok(patches.every((patch) => patch.other === undefined), 'the changes of its device are not its own');
  await closeAll();
});

test('telemetry is acknowledged, and the filters of inputs and messages are granted', { skip }, async () => {
  const module = await openModule('camera');
  module.on('inputMessage', () => {});
  await module.sendEvent(new Message('{"frame":1}'));
  await module.sendOutputEvent('pictures', new Message('{"frame":2}'));
  await closeAll();
  const raw = await connectOnce(`${deviceId}/camera`, keys.camera);
  raw.suback = false;
  raw.subscribe(`devices/${deviceId}/modules/camera/messages/devicebound/#`, 1);
  await waitFor('F7 is granted', () => raw.suback);
  raw.suback = false;
  raw.subscribe(`devices/${deviceId}/modules/camera/#`, 1);
  await waitFor('F5 is granted', () => raw.suback);
  raw.subscribe(`devices/${deviceId}/modules/lock/#`, 1);
  await waitFor('the filter of another module closes', () => raw.isClosed);
});

test('what a module subscribed is there when it comes back without SUBSCRIBE; the newest connection wins', async () => {
  (await connectOnce(`${deviceId}/lock`, keys.lock)).close(); // CleanSession=1: forgets what the SDK left.
  const first = await connectOnce(`${deviceId}/lock`, keys.lock, { isPersistent: true });
  assert.deepStrictEqual([first.connack, first.isSessionPresent], [0, false]);
  first.subscribe('$iothub/methods/POST/#');
  await waitFor('SUBACK', () => first.suback);
  const second = await connectOnce(`${deviceId}/lock`, keys.lock, { isPersistent: true });
  assert.deepStrictEqual([second.connack, second.isSessionPresent], [0, true]);
  await waitFor('the first is closed', () => first.isClosed);
  const reply = request('POST', `/twins/${deviceId}/modules/lock/methods?${V}`, { body: { methodName: 'turn' } });
  const call = await waitFor('the call', () => second.publishes.shift());
  second.publish(`$iothub/methods/res/200/?$rid=${call.topic.split('$rid=')[1]}`, '"turned"', 5);
  assert.deepStrictEqual((await reply).json, { status: 200, payload: 'turned' });
  second.close();
});

test('who may connect as a module', async () => {
  const id = `${deviceId}/camera`;
  const connack = async (name, key, options) => {
    const attempt = await connectOnce(name, key, options);
    attempt.close();
    return attempt.connack;
  };
  const policy = sasToken({ resource: parts.HostName });
  assert.strictEqual(await connack(id, keys.camera), 0);
  assert.strictEqual(await connack(id, undefined, { password: policy }), 0, 'a hub policy with DeviceConnect');
  assert.strictEqual(await connack(id, keys.lock), 5, 'the key of another module');
  assert.strictEqual(await connack(id, keys['']), 5, 'the key of its device');
  assert.strictEqual(await connack(deviceId, keys.camera), 5, 'a module as its device');
  assert.strictEqual(await connack(`${deviceId}/nobody`, keys.camera), 5);
  assert.strictEqual(await connack(`${id}/x`, keys.camera), 4);
});
