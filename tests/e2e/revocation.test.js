'use strict';
// What an operator takes away is gone within five seconds: disable, delete, new keys; for devices and their modules; also
// when device_connection is restarted meanwhile. Says how long each took.

const assert = require('node:assert');
const crypto = require('node:crypto');
const { after, test } = require('node:test');
const { Client: DeviceClient } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Registry } = require('azure-iothub');
const { connectionString, deviceConnectionString, parts, request, sasToken, skipWithoutSdkPorts, uniqueId, waitFor } = require('./lib/hub');
const { makeCertificate, thumbprintOf } = require('./lib/certificates');
const { pidsNow } = require('./lib/processes');
const { connectOnce } = require('./lib/raw_mqtt');

const skip = skipWithoutSdkPorts;
const V = 'api-version=2021-04-12';
const LIMIT_SECONDS = 5;
const registry = Registry.fromConnectionString(connectionString);
const made = [];

// The SDK wraps what the service said, differently from class to class.
const said = (answer) => JSON.parse(JSON.stringify(answer.responseBody || answer.result || answer));
const key = () => crypto.randomBytes(32).toString('base64');

async function register(moduleIds = []) {
  const deviceId = uniqueId('revoked');
  made.push(deviceId);
  const keys = { device: said(await registry.create({ deviceId })).authentication.symmetricKey };
  for (const moduleId of moduleIds) keys[moduleId] = said(await registry.addModule({ deviceId, moduleId })).authentication.symmetricKey;
  return { deviceId, keys };
}

async function connect(id, secret, options) {
  const device = await connectOnce(id, secret, options);
  assert.strictEqual(device.connack, 0);
  return device;
}

// How many milliseconds after `change` was answered each of the devices was closed.
async function closedAfter(t, what, devices, change) {
  await change();
  const begin = performance.now();
  await Promise.all(devices.map((device) => waitFor(`${what}: closed`, () => device.isClosed, LIMIT_SECONDS, 2)));
  t.diagnostic(`${what}: closed ${(performance.now() - begin).toFixed(0)} ms after the answer`);
}

async function refusalOf(id, secret) {
  const attempt = await connectOnce(id, secret);
  attempt.close();
  return attempt.connack;
}

const update = async (deviceId, change) => registry.update({ ...said(await registry.get(deviceId)), ...change });

after(async () => {
  for (const deviceId of made) await request('DELETE', `/devices/${deviceId}?${V}`, { headers: { 'If-Match': '*' } });
});

test('disable closes the device and its modules; a CONNECT gets 3, and works again after enable', async (t) => {
  const { deviceId, keys } = await register(['m']);
  const devices = [await connect(deviceId, keys.device.primaryKey), await connect(`${deviceId}/m`, keys.m.secondaryKey)];
  await closedAfter(t, 'disable', devices, () => update(deviceId, { status: 'disabled' }));
  assert.strictEqual(await refusalOf(deviceId, keys.device.primaryKey), 3);
  assert.strictEqual(await refusalOf(`${deviceId}/m`, keys.m.primaryKey), 3);
  const call = await request('POST', `/twins/${deviceId}/modules/m/methods?${V}`, { body: { methodName: 'x' } });
  assert.strictEqual(call.status, 404, call.text);
  await update(deviceId, { status: 'enabled' });
  await waitFor('it may connect', async () => await refusalOf(deviceId, keys.device.primaryKey) === 0);
});

test('delete closes the device and its modules; a CONNECT gets 5', async (t) => {
  const { deviceId, keys } = await register(['m', 'n']);
  const devices = [await connect(deviceId, keys.device.primaryKey), await connect(`${deviceId}/m`, keys.m.primaryKey),
    await connect(`${deviceId}/n`, keys.n.primaryKey)];
  await closedAfter(t, 'delete', devices, () => registry.delete(deviceId));
  assert.strictEqual(await refusalOf(deviceId, keys.device.primaryKey), 5);
  assert.strictEqual(await refusalOf(`${deviceId}/m`, keys.m.primaryKey), 5);
});

test('removing a module closes that module only', async (t) => {
  const { deviceId, keys } = await register(['m', 'n']);
  const device = await connect(deviceId, keys.device.primaryKey);
  const other = await connect(`${deviceId}/n`, keys.n.primaryKey);
  await closedAfter(t, 'module removed', [await connect(`${deviceId}/m`, keys.m.primaryKey)], () => registry.removeModule(deviceId, 'm'));
  assert.deepStrictEqual([device.isClosed, other.isClosed], [false, false]);
  device.close();
  other.close();
});

test('a new key closes what the old one opened, and nothing else', async (t) => {
  const { deviceId, keys } = await register(['m']);
  const byPrimary = await connect(deviceId, keys.device.primaryKey);
  const module = await connect(`${deviceId}/m`, keys.m.primaryKey);
  const next = { primaryKey: key(), secondaryKey: keys.device.secondaryKey };
  const rolled = () => update(deviceId, { authentication: { type: 'sas', symmetricKey: next } });
  await closedAfter(t, 'primary key changed', [byPrimary], rolled);
  assert.strictEqual(module.isClosed, false);
  assert.strictEqual(await refusalOf(deviceId, keys.device.primaryKey), 5);

  const bySecondary = await connect(deviceId, keys.device.secondaryKey);
  await rolled(); // The same keys once more.
  await update(deviceId, { authentication: { type: 'sas', symmetricKey: { primaryKey: key(), secondaryKey: keys.device.secondaryKey } } });
  await update(deviceId, { capabilities: { iotEdge: true } });
  await closedAfter(t, 'module key changed', [module], async () => {
    const identity = said(await registry.getModule(deviceId, 'm'));
    identity.authentication = { type: 'sas', symmetricKey: { primaryKey: key(), secondaryKey: key() } };
    await registry.updateModule(identity, true);
  });
  assert.strictEqual(bySecondary.isClosed, false, 'its key is still there');
  bySecondary.close();

  const byPolicy = await connect(deviceId, undefined, { password: sasToken({ resource: parts.HostName }) });
  await update(deviceId, { authentication: { type: 'sas', symmetricKey: { primaryKey: key(), secondaryKey: key() } } });
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.strictEqual(byPolicy.isClosed, false, 'the key of the policy is not the device\'s');
  await closedAfter(t, 'type changed', [byPolicy], () => update(deviceId, { authentication: { type: 'certificateAuthority' } }));
});

test('a new thumbprint closes the connection that the old one opened', async (t) => {
  const deviceId = uniqueId('revoked');
  const [old, next] = [makeCertificate('a'), makeCertificate('b')];
  const selfSigned = (certificate) => ({ type: 'selfSigned', x509Thumbprint: { primaryThumbprint: thumbprintOf(certificate.cert, 'sha256'), secondaryThumbprint: '' } });
  const show = (certificate) => connectOnce(deviceId, undefined, { certificate: { cert: certificate.cert, key: certificate.key }, password: null });
  made.push(deviceId);
  await registry.create({ deviceId, authentication: selfSigned(old) });
  const device = await show(old);
  assert.strictEqual(device.connack, 0);
  await closedAfter(t, 'thumbprint changed', [device], () => update(deviceId, { authentication: selfSigned(next) }));
  assert.strictEqual((await show(old)).connack, 5);
  const renewed = await show(next);
  assert.strictEqual(renewed.connack, 0);
  renewed.close();
});

test('an SDK device whose key was regenerated stays out, and comes back with the new one', { skip }, async () => {
  const { deviceId, keys } = await register();
  const old = DeviceClient.fromConnectionString(deviceConnectionString(deviceId, keys.device.primaryKey), Mqtt);
  old.on('error', () => {});
  await old.open();
  const fresh = { primaryKey: key(), secondaryKey: key() };
  await update(deviceId, { authentication: { type: 'sas', symmetricKey: fresh } });
  await waitFor('it is gone', async () => said(await registry.getTwin(deviceId)).connectionState === 'Disconnected', LIMIT_SECONDS);
  await old.close().catch(() => {});
  const client = DeviceClient.fromConnectionString(deviceConnectionString(deviceId, fresh.primaryKey), Mqtt);
  await client.open();
  await waitFor('it is back', async () => said(await registry.getTwin(deviceId)).connectionState === 'Connected');
  await client.close();
});

test('what changed while device_connection was down is closed when it is back', { timeout: 120000 }, async (t) => {
  const [disabled, removed, rekeyed, untouched] = [await register(), await register(['m']), await register(), await register()];
  const all = {
    disabled: await connect(disabled.deviceId, disabled.keys.device.primaryKey),
    removed: await connect(`${removed.deviceId}/m`, removed.keys.m.primaryKey),
    rekeyed: await connect(rekeyed.deviceId, rekeyed.keys.device.primaryKey),
    untouched: await connect(untouched.deviceId, untouched.keys.device.primaryKey),
  };
  const pid = pidsNow().device_connection;
  process.kill(pid, 'SIGSTOP'); // Nobody hears of the changes, and nobody starts it again.
  await update(disabled.deviceId, { status: 'disabled' });
  await registry.delete(removed.deviceId);
  await update(rekeyed.deviceId, { authentication: { type: 'sas', symmetricKey: { primaryKey: key(), secondaryKey: key() } } });
  process.kill(pid, 'SIGKILL');
  await waitFor('it is started again', () => pidsNow().device_connection !== pid && pidsNow().device_connection, 30);
  const begin = performance.now();
  for (const name of ['disabled', 'removed', 'rekeyed']) await waitFor(`${name}: closed`, () => all[name].isClosed, 15, 5);
  t.diagnostic(`closed ${(performance.now() - begin).toFixed(0)} ms after the restart was told`);
  assert.strictEqual(all.untouched.isClosed, false);
  all.untouched.close();
});
