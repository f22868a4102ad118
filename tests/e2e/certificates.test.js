'use strict';
// Devices and modules that connect with certificates: azure-iot-device over MQTT, and what it would not send over raw MQTT.

const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const { after, before, test } = require('node:test');
const { Client: DeviceClient } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { parts, request, skipWithoutSdkPorts, uniqueId } = require('./lib/hub');
const { makeCertificate, thumbprintOf } = require('./lib/certificates');
const { connectOnce } = require('./lib/raw_mqtt');

const skip = skipWithoutSdkPorts;
const V = 'api-version=2021-04-12';
const made = [];
const authorities = path.join(process.env.FLEETCAST_DATA_DIR, 'tls', 'client-ca.pem');

// The edge looks for a new bundle once a second.
async function trust(...certificates) {
  fs.writeFileSync(`${authorities}.new`, certificates.map((each) => each.cert).join(''));
  fs.renameSync(`${authorities}.new`, authorities);
  await new Promise((resolve) => setTimeout(resolve, 1100));
}

async function register(deviceId, authentication, moduleId) {
  const at = moduleId ? `/devices/${deviceId}/modules/${moduleId}` : `/devices/${deviceId}`;
  const answer = await request('PUT', `${at}?${V}`, { body: { deviceId, ...(moduleId && { moduleId }), authentication } });
  assert.strictEqual(answer.status, 200, answer.text);
  if (!moduleId) made.push(deviceId);
}

const selfSigned = (primaryThumbprint, secondaryThumbprint = '') =>
  ({ type: 'selfSigned', x509Thumbprint: { primaryThumbprint, secondaryThumbprint } });
const signed = { type: 'certificateAuthority' };

// What CONNACK a certificate gets, without password unless one is given.
async function connack(id, certificate, password = null) {
  const attempt = await connectOnce(id, undefined, { certificate: { cert: certificate.cert, key: certificate.key }, password });
  attempt.close();
  return attempt.connack;
}

// Connects an SDK device with a certificate and has it called once.
async function openAndCall(deviceId, { cert, key }) {
  const client = DeviceClient.fromConnectionString(`HostName=${parts.HostName};DeviceId=${deviceId};x509=true`, Mqtt);
  await client.setOptions({ cert, key });
  await client.open();
  client.onDeviceMethod('ping', (call, answer) => answer.send(200, 'pong'));
  const answer = await request('POST', `/twins/${deviceId}/methods?${V}`,
    { body: { methodName: 'ping', responseTimeoutInSeconds: 15, connectTimeoutInSeconds: 10 } });
  assert.deepStrictEqual(answer.json, { status: 200, payload: 'pong' }, answer.text);
  await client.close();
}

let root;
before(() => { root = makeCertificate('fleet root', { isAuthority: true }); });
after(async () => {
  fs.writeFileSync(authorities, '');
  for (const deviceId of made) await request('DELETE', `/devices/${deviceId}?${V}`, { headers: { 'If-Match': '*' } });
});

test('a self-signed certificate opens by its thumbprint, SHA-1 or SHA-256, primary or secondary', { skip }, async () => {
  const deviceId = uniqueId('thumb');
  const certificate = makeCertificate('whatever');
  await register(deviceId, selfSigned(thumbprintOf(certificate.cert, 'sha1')));
  await openAndCall(deviceId, certificate);
  const twin = await request('GET', `/twins/${deviceId}?${V}`);
  assert.strictEqual(twin.json.authenticationType, 'selfSigned');
  const second = uniqueId('thumb');
  await register(second, selfSigned(thumbprintOf(root.cert, 'sha256'), thumbprintOf(certificate.cert, 'sha256').toLowerCase()));
  assert.strictEqual(await connack(second, certificate), 0);
});

test('a signed certificate opens the device that it names, also through an intermediate', { skip }, async () => {
  const deviceId = uniqueId('signed');
  await register(deviceId, signed);
  const middle = makeCertificate('line 3', { issuer: root, isAuthority: true });
  const leaf = makeCertificate(deviceId, { issuer: middle });
  const chain = { cert: leaf.cert + middle.cert, key: leaf.key };
  assert.strictEqual(await connack(deviceId, chain), 5, 'nobody trusts the root yet');
  await trust(root);
  await openAndCall(deviceId, chain);
  assert.strictEqual(await connack(deviceId, leaf), 5, 'the intermediate was not sent');
  assert.strictEqual(await connack(deviceId, makeCertificate(deviceId)), 5, 'signed by itself');
  assert.strictEqual(await connack(deviceId, makeCertificate(`${deviceId}x`, { issuer: root })), 5, 'names another device');
  const foreign = makeCertificate('fleet root', { isAuthority: true });
  assert.strictEqual(await connack(deviceId, makeCertificate(deviceId, { issuer: foreign })), 5, 'an authority of the same name');
  await trust(middle);
  assert.strictEqual(await connack(deviceId, leaf), 0, 'an intermediate can be the authority');
  await trust();
  assert.strictEqual(await connack(deviceId, chain), 5, 'the authority was taken out');
});

// `ModuleClient` of this SDK knows tokens only; those of others can do it.
test('a module connects with a certificate of its own', async () => {
  await trust(root);
  const deviceId = uniqueId('parent');
  await register(deviceId, signed);
  await register(deviceId, signed, 'camera');
  const leaf = makeCertificate(`${deviceId}/camera`, { issuer: root });
  assert.strictEqual(await connack(`${deviceId}/camera`, leaf), 0);
  assert.strictEqual(await connack(deviceId, leaf), 5, 'a module is not its device');
  assert.strictEqual(await connack(`${deviceId}/camera`, makeCertificate(deviceId, { issuer: root })), 5);
});

test('the type of the identity decides what counts', async () => {
  await trust(root);
  const certificate = makeCertificate('x');
  const byThumbprint = uniqueId('type');
  await register(byThumbprint, selfSigned(thumbprintOf(certificate.cert, 'sha256')));
  assert.strictEqual(await connack(byThumbprint, certificate), 0);
  assert.strictEqual(await connack(byThumbprint, certificate, 'no token at all'), 0, 'a password is ignored');
  assert.strictEqual(await connack(byThumbprint, root), 5, 'another certificate');
  const bare = await connectOnce(byThumbprint, undefined, { password: null });
  assert.strictEqual(bare.connack, 5, 'no certificate');
  bare.close();

  const byKey = uniqueId('type');
  await register(byKey, { type: 'sas' });
  const { json } = await request('GET', `/devices/${byKey}?${V}`);
  assert.strictEqual(await connack(byKey, certificate), 5, 'a certificate is no token');
  const both = await connectOnce(byKey, json.authentication.symmetricKey.primaryKey, { certificate: { cert: certificate.cert, key: certificate.key } });
  assert.strictEqual(both.connack, 0, 'a certificate is ignored');
  both.close();
});

test('dates are checked at CONNECT', async () => {
  const deviceId = uniqueId('old');
  const expired = makeCertificate('x', { days: -1 });
  await register(deviceId, selfSigned(thumbprintOf(expired.cert, 'sha256')));
  assert.strictEqual(await connack(deviceId, expired), 5);
});
