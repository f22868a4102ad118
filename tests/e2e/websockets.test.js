'use strict';
// MQTT over WebSocket on the HTTPS port: the unmodified device SDK, mqtt.js, and frames that no library would send.

const assert = require('node:assert');
const { after, before, test } = require('node:test');
const { Client, Message } = require('azure-iot-device');
const { MqttWs } = require('azure-iot-device-mqtt');
const mqtt = require('mqtt');
const { ca, deviceConnectionString, host, parts, request, restPort, sasToken, skipWithoutSdkPorts, uniqueId, waitFor } = require('./lib/hub');
const { metricOf, pidsNow } = require('./lib/processes');
const { connectPacket } = require('./lib/raw_mqtt');
const { openRawWebSocket } = require('./lib/raw_websocket');

const V = 'api-version=2021-04-12';
const deviceId = uniqueId('websocket');
const rawId = uniqueId('websocket-raw');
const keys = {};
let client;

async function register(id) {
  const created = await request('PUT', `/devices/${id}?${V}`, { body: { deviceId: id } });
  assert.strictEqual(created.status, 200, created.text);
  keys[id] = created.json.authentication.symmetricKey.primaryKey;
}

function callMethod(payload) {
  return request('POST', `/twins/${deviceId}/methods?${V}`,
    { body: { methodName: 'lockDoor', payload, responseTimeoutInSeconds: 15, connectTimeoutInSeconds: 15 } });
}

before(async () => {
  await register(deviceId);
  await register(rawId);
});

after(async () => {
  if (client) await client.close();
});

test('the device SDK connects, is called, reads and reports its twin, and sends telemetry', { skip: skipWithoutSdkPorts }, async () => {
  client = Client.fromConnectionString(deviceConnectionString(deviceId, keys[deviceId]), MqttWs);
  await client.open();
  client.onDeviceMethod('lockDoor', (call, response) => response.send(200, { echo: call.payload }));
  const answer = await waitFor('a call succeeds', async () => {
    const reply = await callMethod({ zone: 7 });
    return reply.status === 200 ? reply : undefined;
  });
  assert.deepStrictEqual(answer.json, { status: 200, payload: { echo: { zone: 7 } } });

  const twin = await client.getTwin();
  const patches = [];
  twin.on('properties.desired', (patch) => patches.push(patch));
  await new Promise((resolve, reject) => {
    twin.properties.reported.update({ firmware: '1.2' }, (error) => (error ? reject(error) : resolve()));
  });
  const patched = await request('PATCH', `/twins/${deviceId}?${V}`, { body: { properties: { desired: { interval: 9 } } } });
  assert.strictEqual(patched.json.properties.reported.firmware, '1.2');
  await waitFor('the desired change arrives', () => patches.some((patch) => patch.interval === 9));

  await client.sendEvent(new Message('{"temperature":21}')); // Resolves with the PUBACK.
});

test('it comes back by itself when the edge is gone, and can be called again', { skip: skipWithoutSdkPorts, timeout: 120000 }, async () => {
  const edges = Object.entries(pidsNow()).filter(([name]) => /^mqtt_edge/.test(name)).map(([, pid]) => pid);
  assert.ok(edges.length > 0);
  for (const pid of edges) process.kill(pid, 'SIGKILL');
  const answer = await waitFor('a call succeeds', async () => {
    const reply = await callMethod('again');
    return reply.status === 200 ? reply : undefined;
  }, 90);
  assert.deepStrictEqual(answer.json.payload, { echo: 'again' });
});

test('mqtt.js connects to wss://…/mqtt', async () => {
  const device = mqtt.connect(`wss://${host}:${restPort}/mqtt`, { ca, clientId: rawId, clean: true, reconnectPeriod: 200,
    username: `${parts.HostName}/${rawId}/?api-version=2021-04-12`, wsOptions: { ca },
    password: sasToken({ resource: `${parts.HostName}/devices/${rawId}`, key: keys[rawId], policy: '' }) });
  const responses = [];
  device.on('message', (topic) => responses.push(topic));
  try {
    await waitFor('mqtt.js is connected', () => device.connected);
    await new Promise((resolve, reject) => {
      device.subscribe('$iothub/twin/res/#', (error) => (error ? reject(error) : resolve()));
    });
    device.publish('$iothub/twin/GET/?$rid=1', '');
    await waitFor('the twin', () => responses.includes('$iothub/twin/res/200/?$rid=1'));
  } finally {
    await new Promise((resolve) => device.end(true, {}, resolve));
  }
});

test('the subprotocol is echoed as it was spelt, compression is declined', async () => {
  const peer = await openRawWebSocket({ path: '/%24iothub/websocket?iothub-no-client-cert=true', protocol: 'MQTT',
    headers: ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits', 'Origin: https://elsewhere'] });
  assert.match(peer.head, /^HTTP\/1\.1 101 /);
  assert.match(peer.head, /\r\nSec-WebSocket-Protocol: MQTT(\r\n|$)/);
  assert.doesNotMatch(peer.head, /Extensions/i);
  peer.close();
});

test('a CONNECT may be cut into frames at any place', async () => {
  const peer = await openRawWebSocket();
  const connect = connectPacket(rawId, keys[rawId]);
  peer.send(connect.subarray(0, 1), { final: false });
  peer.send(Buffer.from('still here'), { opcode: 9 });
  for (let i = 1; i < 40; i += 1) peer.send(connect.subarray(i, i + 1), { opcode: 0, final: false });
  peer.send(connect.subarray(40, 100), { opcode: 0 });
  peer.send(connect.subarray(100));
  await waitFor('CONNACK', () => peer.frames.some(({ opcode, payload }) => opcode === 2 && payload[0] === 0x20));
  assert.ok(peer.frames.some(({ opcode, payload }) => opcode === 10 && payload.toString() === 'still here'));
  peer.close();
});

test('what is not WebSocket is refused: over HTTP before, with a close frame after', async () => {
  assert.match((await openRawWebSocket({ protocol: 'AMQPWSB10' })).head, /^HTTP\/1\.1 400 /);
  assert.strictEqual((await request('GET', '/mqtt', {})).status, 426);
  const codes = [];
  for (const options of [{ opcode: 1 }, { masked: false }]) {
    const peer = await openRawWebSocket();
    peer.send(Buffer.from('x'), options);
    await waitFor('the connection ends', () => peer.isClosed);
    codes.push(peer.frames.find(({ opcode }) => opcode === 8).payload.readUInt16BE(0));
  }
  assert.deepStrictEqual(codes, [1003, 1002]);
  assert.ok(await metricOf('rest_gateway', 'fleetcast_http_opened_websockets') >= 4);
});
