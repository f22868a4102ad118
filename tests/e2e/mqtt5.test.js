'use strict';
// MQTT 5 with clients that are not ours: mqtt.js and mosquitto.

const assert = require('node:assert');
const { execFile } = require('node:child_process');
const { after, before, test } = require('node:test');
const { host, mqttsPort, parts, request, sasToken, uniqueId, waitFor } = require('./lib/hub');
const { connectDevice, connectOnce, publish, subscribe, tokenOf, usernameOf } = require('./lib/mqtt5_device');

const V = 'api-version=2021-04-12';
const deviceId = uniqueId('mqtt5');
let key;
let device;

async function register(id) {
  const created = await request('PUT', `/devices/${id}?${V}`, { body: { deviceId: id } });
  assert.strictEqual(created.status, 200, created.text);
  return created.json.authentication.symmetricKey.primaryKey;
}

const call = (id, body) => request('POST', `/twins/${id}/methods?${V}`, { body: { methodName: 'lockDoor', responseTimeoutInSeconds: 20, ...body } });
const nextMessage = (from, what) => waitFor(what, () => from.messages.shift());

before(async () => {
  key = await register(deviceId);
  device = await connectDevice(deviceId, key, { properties: { sessionExpiryInterval: 3600 } });
});
after(() => { if (device) device.close(); });

test('CONNACK says what is offered', () => {
  const { properties } = device.connack;
  assert.strictEqual(device.connack.reasonCode, 0);
  assert.strictEqual(properties.receiveMaximum, 16);
  assert.strictEqual(properties.maximumQoS, 1);
  assert.strictEqual(properties.retainAvailable, false);
  assert.strictEqual(properties.maximumPacketSize, 294912);
  assert.strictEqual(properties.topicAliasMaximum, 16);
  assert.strictEqual(properties.subscriptionIdentifiersAvailable, false);
  assert.strictEqual(properties.sharedSubscriptionAvailable, false);
});

test('filters are granted, or refused one by one', async () => {
  const filters = ['$iothub/methods/POST/#', '$iothub/twin/res/#', '$iothub/twin/PATCH/properties/desired/#', 'free/#', 'devices/other/messages/devicebound/#'];
  const codes = await subscribe(device, filters, 1);
  assert.deepStrictEqual(codes, [1, 1, 1, 0x8f, 0x87]);
});

test('a method: the request expires with its call, the answer reaches the caller', async () => {
  const reply = call(deviceId, { payload: { zone: 'north' } });
  const message = await nextMessage(device, 'the method request');
  assert.match(message.topic, /^\$iothub\/methods\/POST\/lockDoor\/\?\$rid=[0-9a-f]+$/);
  assert.deepStrictEqual(JSON.parse(message.payload), { zone: 'north' });
  const expiry = message.properties.messageExpiryInterval;
  assert.ok(expiry > 10 && expiry <= 21, `message expiry ${expiry}`);
  const reason = await publish(device, `$iothub/methods/res/200/?$rid=${message.topic.split('$rid=')[1]}`, '{"locked":true}');
  assert.strictEqual(reason, 0);
  assert.deepStrictEqual((await reply).json, { status: 200, payload: { locked: true } });
});

test('the trace of a caller reaches the device', async () => {
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
  const reply = request('POST', `/twins/${deviceId}/methods?${V}`,
    { headers: { traceparent }, body: { methodName: 'lockDoor', responseTimeoutInSeconds: 20 } });
  const message = await nextMessage(device, 'the method request');
  assert.match(message.properties.userProperties.traceparent, /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/);
  await publish(device, `$iothub/methods/res/200/?$rid=${message.topic.split('$rid=')[1]}`, '{}');
  assert.strictEqual((await reply).status, 200);
});

test('twin: a read and a reported patch, with their correlation data; a desired change', async () => {
  await publish(device, '$iothub/twin/GET/?$rid=1', '', { properties: { correlationData: Buffer.from('c1'), userProperties: { traceparent: 'x' } } });
  const twin = await nextMessage(device, 'the twin');
  assert.strictEqual(twin.topic, '$iothub/twin/res/200/?$rid=1');
  assert.strictEqual(twin.properties.correlationData.toString(), 'c1');
  assert.ok(JSON.parse(twin.payload).desired.$version >= 1);
  await publish(device, '$iothub/twin/PATCH/properties/reported/?$rid=2', '{"fw":"5.0"}');
  const patched = await nextMessage(device, 'the answer to the patch');
  assert.match(patched.topic, /^\$iothub\/twin\/res\/204\/\?\$rid=2&\$version=\d+$/);
  const read = await request('GET', `/twins/${deviceId}?${V}`);
  assert.strictEqual(read.json.properties.reported.fw, '5.0');
  await request('PATCH', `/twins/${deviceId}?${V}`, { body: { properties: { desired: { interval: 9 } } } });
  const change = await nextMessage(device, 'the desired change');
  assert.match(change.topic, /^\$iothub\/twin\/PATCH\/properties\/desired\/\?\$version=\d+$/);
  assert.strictEqual(JSON.parse(change.payload).interval, 9);
});

test('topic aliases', async () => {
  const topic = `devices/${deviceId}/messages/events/a=b`;
  assert.strictEqual(await publish(device, topic, 'first', { properties: { topicAlias: 16 } }), 0);
  assert.strictEqual(await publish(device, '', 'second', { properties: { topicAlias: 16 } }), 0);
});

test('topics that are not the device\'s are refused in PUBACK, and the connection stays', async () => {
  assert.strictEqual(await publish(device, 'free/topic', 'x'), 0x90);
  assert.strictEqual(await publish(device, 'devices/other/messages/events/', 'x'), 0x87);
  assert.strictEqual(await publish(device, `devices/${deviceId}/messages/events/`, 'x'), 0);
});

test('refused connections hear why', async () => {
  const reason = async (options, id = deviceId) => {
    const refused = await connectOnce(id, key, options);
    refused.close();
    assert.ok(refused.error, 'the connection was accepted');
    return refused.error.code;
  };
  assert.strictEqual(await reason({ clientId: 'someone-else' }), 0x85);
  assert.strictEqual(await reason({ username: 'no-device' }), 0x86);
  assert.strictEqual(await reason({ password: tokenOf(deviceId, Buffer.alloc(32, 7).toString('base64')) }), 0x87);
  assert.strictEqual(await reason({ username: usernameOf(deviceId).replace(parts.HostName, 'elsewhere.example') }), 0x87);
  assert.strictEqual(await reason({ properties: { authenticationMethod: 'SCRAM-SHA-1' } }), 0x8c);
  const topic = `devices/${deviceId}/messages/events/`;
  assert.strictEqual(await reason({ will: { topic, payload: 'x', qos: 2, retain: false } }), 0x9b);
  assert.strictEqual(await reason({ will: { topic, payload: 'x', qos: 1, retain: true } }), 0x9a);
});

test('a newer connection takes over, and the older one hears it', async () => {
  const newer = await connectDevice(deviceId, key, { properties: { sessionExpiryInterval: 3600 } });
  await waitFor('DISCONNECT', () => device.disconnect);
  assert.strictEqual(device.disconnect.reasonCode, 0x8e);
  assert.strictEqual(newer.connack.sessionPresent, true);
  device = newer;
  const reply = call(deviceId, {}); // Without a new SUBSCRIBE.
  const message = await nextMessage(device, 'the method request');
  await publish(device, `$iothub/methods/res/200/?$rid=${message.topic.split('$rid=')[1]}`, '{}');
  assert.strictEqual((await reply).json.status, 200);
});

test('a session without an expiry ends with its connection', async () => {
  const ending = await connectDevice(deviceId, key);
  assert.strictEqual(ending.connack.sessionPresent, true);
  await waitFor('DISCONNECT', () => device.isClosed);
  await new Promise((resolve) => ending.client.end(false, {}, resolve));
  device = await connectDevice(deviceId, key, { properties: { sessionExpiryInterval: 3600 } });
  assert.strictEqual(device.connack.sessionPresent, false);
  assert.strictEqual((await call(deviceId, {})).status, 404);
});

test('a session is over some time after its connection', async () => {
  const id = uniqueId('expiry');
  const own = await register(id);
  const kept = { properties: { sessionExpiryInterval: 3600 } };
  // Subscribes, and leaves with another interval; answers when the registry has heard of it and the interval is over.
  const visit = async (seconds) => {
    const guest = await connectDevice(id, own, kept);
    await subscribe(guest, ['$iothub/methods/POST/#']);
    await new Promise((resolve) => guest.client.end(false, { reasonCode: 0, properties: { sessionExpiryInterval: seconds } }, resolve));
    await waitFor('the interval is over', async () => {
      const { json } = await request('GET', `/twins/${id}?${V}`);
      return json.connectionState === 'Disconnected' && Date.now() > Date.parse(json.lastActivityTime) + 2000;
    });
  };
  await visit(3600);
  const resumed = await connectOnce(id, own, kept);
  assert.strictEqual(resumed.connack.sessionPresent, true);
  await new Promise((resolve) => resumed.client.end(false, {}, resolve));
  await visit(1);
  const late = await connectOnce(id, own, kept);
  assert.strictEqual(late.connack.sessionPresent, false);
  assert.strictEqual((await call(id, {})).status, 404);
  late.close();
});

test('a method request that the device cannot take is not sent', async () => {
  const small = await connectDevice(deviceId, key, { properties: { sessionExpiryInterval: 3600, maximumPacketSize: 1024 } });
  await subscribe(small, ['$iothub/methods/POST/#']);
  const refused = await call(deviceId, { payload: 'x'.repeat(1024) });
  assert.ok(refused.status >= 400 && refused.status < 500, refused.text);
  const reply = call(deviceId, { payload: 'x' });
  const message = await nextMessage(small, 'the method request');
  assert.strictEqual(message.payload, '"x"');
  await publish(small, `$iothub/methods/res/200/?$rid=${message.topic.split('$rid=')[1]}`, '{}');
  assert.strictEqual((await reply).json.status, 200);
  small.close();
});

test('AUTH renews the token without a new connection, and a bad one ends it', async () => {
  const now = Math.floor(Date.now() / 1000);
  const method = { authenticationMethod: 'SAS' };
  const renewing = await connectDevice(deviceId, key, { password: undefined,
    properties: { ...method, authenticationData: Buffer.from(tokenOf(deviceId, key, now + 60)) } });
  assert.strictEqual(renewing.connack.properties.authenticationMethod, 'SAS');
  const auth = (token) => renewing.client._sendPacket({ cmd: 'auth', reasonCode: 0x19, properties: { ...method, authenticationData: Buffer.from(token) } });
  auth(tokenOf(deviceId, key, now + 7200));
  const answer = await waitFor('AUTH', () => renewing.auths.shift());
  assert.strictEqual(answer.reasonCode, 0);
  assert.strictEqual(answer.properties.authenticationMethod, 'SAS');
  auth(sasToken({ resource: `${parts.HostName}/devices/other`, key, policy: '' }));
  await waitFor('DISCONNECT', () => renewing.disconnect);
  assert.strictEqual(renewing.disconnect.reasonCode, 0x87);
});

test('an operator who disables the device: DISCONNECT 0x98', async () => {
  const id = uniqueId('admin');
  const own = await connectDevice(id, await register(id));
  const disabled = await request('PUT', `/devices/${id}?${V}`, { body: { deviceId: id, status: 'disabled' }, headers: { 'If-Match': '*' } });
  assert.strictEqual(disabled.status, 200, disabled.text);
  await waitFor('DISCONNECT', () => own.disconnect);
  assert.strictEqual(own.disconnect.reasonCode, 0x98);
});

// Runs a mosquitto client as the device. Resolves to { code, out, error }.
function mosquitto(program, id, idKey, args) {
  const all = ['-V', '5', '-h', host, '-p', String(mqttsPort), '--cafile', process.env.FLEETCAST_CA_FILE, '-i', id, '-u', usernameOf(id),
    '-P', tokenOf(id, idKey), ...args];
  return new Promise((resolve) => {
    execFile(program, all, { timeout: 30000 }, (error, out, stderr) => resolve({ code: error ? error.code : 0, out, error: stderr }));
  });
}

test('mosquitto_pub and mosquitto_sub -V 5', async () => {
  const id = uniqueId('mosquitto');
  const idKey = await register(id);
  const telemetry = ['-t', `devices/${id}/messages/events/`, '-m', 'x', '-q', '1'];
  await waitFor('mosquitto_pub is accepted', async () => (await mosquitto('mosquitto_pub', id, idKey, telemetry)).code === 0);
  const refused = await mosquitto('mosquitto_pub', id, Buffer.alloc(32, 7).toString('base64'), telemetry);
  assert.notStrictEqual(refused.code, 0);
  assert.match(refused.error, /[Nn]ot authorized/);
  const foreign = await mosquitto('mosquitto_pub', id, idKey, ['-t', 'free/topic', '-m', 'x', '-q', '1']);
  assert.match(foreign.error + foreign.out, /Topic name invalid|failed/i);
  const listening = mosquitto('mosquitto_sub', id, idKey, ['-t', '$iothub/methods/POST/#', '-C', '1', '-W', '20', '-F', '%t %p']);
  const called = await waitFor('the method is sent', async () => {
    const answered = await call(id, { responseTimeoutInSeconds: 5, connectTimeoutInSeconds: 5, payload: 7 });
    return /404103/.test(answered.text) ? undefined : answered;
  });
  assert.strictEqual(JSON.parse(called.json.Message).errorCode, 404104); // mosquitto_sub takes the request and leaves.
  assert.match((await listening).out, /^\$iothub\/methods\/POST\/lockDoor\/\?\$rid=[0-9a-f]+ 7\n$/);
});
